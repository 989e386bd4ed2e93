//! A question at the terminal: who tells what is done, who is asked what may be, and what stops it.

use std::{
    io::{self, IsTerminal, Write},
    time::Duration,
};

use indicatif::ProgressBar;

use super::{Context, Stderr, print};
use crate::{
    error::{Error, ExitCode, Result},
    inert,
    ingest::Watcher,
    insights::warning::Warning,
    model::Stop,
    operations::{Answer, Permission, Reply, Reporter, Session, Talk},
    report::{self, Format},
};

/// Asks while Ctrl-C stops the question.
pub(super) fn ask(talk: &mut Talk, question: &str, session: &Session, teller: &Teller) -> Result<Answer<Reply>> {
    let stop = Stop::default();
    let signals = session.runtime()?.spawn({
        let stop = stop.clone();
        async move {
            // Without a handler, Ctrl-C ends the program, which is as well.
            if tokio::signal::ctrl_c().await.is_ok() {
                stop.stop();
            }
        }
    });
    teller.begin(talk.model());
    let answer = talk.ask(question, session, &stop);
    teller.end();
    signals.abort();
    answer
}

/// Writes an answer; one that was ended before there was one is an error.
pub(super) fn show(answer: &Answer<Reply>, format: Format, context: &Context) -> Result<ExitCode> {
    if answer.stopped.is_none() || format == Format::Json {
        print(&report::query::render(answer, format, context.style)?)?;
    }
    context.note(&report::query::cost(answer));
    match answer.stopped.map(report::query::ended) {
        None => Ok(ExitCode::Done),
        Some((why, hint)) => Err(Error::input(why).hint(hint)),
    }
}

pub(super) fn is_terminal() -> bool {
    io::stdin().is_terminal() && io::stderr().is_terminal()
}

/// Tells on stderr what is done, and asks there what may be.
pub(super) struct Teller {
    stderr: Stderr,
    bar: Option<ProgressBar>,
}

impl Teller {
    pub(super) fn new(context: &Context) -> Self {
        let stderr = Stderr { quiet: context.quiet, words: context.words };
        let bar = (io::stderr().is_terminal() && !context.quiet).then(ProgressBar::new_spinner);
        Self { stderr, bar }
    }

    fn begin(&self, model: &str) {
        if let Some(bar) = &self.bar {
            bar.reset();
            bar.set_message(format!("asking {model}"));
            bar.enable_steady_tick(Duration::from_millis(120));
        }
    }

    fn end(&self) {
        if let Some(bar) = &self.bar {
            bar.disable_steady_tick();
            bar.finish_and_clear();
        }
    }

    /// Writes while the bar is away.
    fn aside<T>(&self, work: impl FnOnce() -> T) -> T {
        match &self.bar {
            Some(bar) => bar.suspend(work),
            None => work(),
        }
    }
}

impl Reporter for Teller {
    fn note(&self, text: &str) {
        self.aside(|| self.stderr.note(text));
    }

    fn written(&self, _text: &str) {
        if let Some(bar) = &self.bar {
            bar.set_message("the model writes; shown once it is checked");
        }
    }

    fn failed(&self, error: &Error) {
        self.aside(|| self.stderr.failed(error));
    }

    fn warned(&self, warnings: &[Warning]) {
        self.aside(|| self.stderr.warned(warnings));
    }

    fn watch(&self, work: &mut dyn FnMut(&dyn Watcher)) {
        self.aside(|| self.stderr.watch(work));
    }

    fn allow(&self, permission: &Permission) -> bool {
        if !is_terminal() {
            return false;
        }
        let cost = permission.cost_usd.map_or(String::new(), |cost| format!(" (${cost:.2})"));
        let command = permission.command.as_ref().map_or(String::new(), |command| format!("\n  {command}{cost}"));
        // The question itself is one line, which the terminal writes over.
        self.aside(|| {
            let _ = writeln!(io::stderr(), "{}", inert::lines(&format!("{}{command}", permission.what)));
            dialoguer::Confirm::new().with_prompt("Allow it?").default(false).interact().unwrap_or(false)
        })
    }
}
