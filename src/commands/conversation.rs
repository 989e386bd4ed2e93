//! `query -i`: question after question, with a history, until Ctrl-D.

use std::{fs, io::IsTerminal, path::PathBuf};

use rustyline::{DefaultEditor, config::Configurer, error::ReadlineError};

use super::{
    Context,
    asking::{Teller, ask, show},
};
use crate::{
    error::{Error, ExitCode, Result},
    inert,
    operations::{Answer, AskBill, QueryDatabase, Reply, Session, Talk},
    report::{self, Format},
};

const HELP: &str = "Ask in plain words. Ctrl-C stops a question, Ctrl-D ends.
  /sources       what the last answer's figures are of, and the commands that repeat them
  /sql SELECT …  ask the database yourself
  /cost          tokens and dollars so far
  /save FILE     write the conversation to a file: markdown, or JSON where it ends in .json
  /clear         forget what was said
  /help          this";
/// Lines of the history.
const HISTORY: usize = 1000;

/// # Errors
/// When the terminal cannot be read.
pub(super) fn run(
    talk: &mut Talk,
    asked: &AskBill,
    session: &Session,
    context: &Context,
    teller: &Teller,
) -> Result<ExitCode> {
    let cannot = |e: ReadlineError| Error::input("cannot read the terminal").caused_by(e);
    let mut editor = DefaultEditor::new().map_err(cannot)?;
    editor.set_max_history_size(HISTORY).map_err(cannot)?;
    let history = history(session);
    // The first time there is none.
    let _ = editor.load_history(&history);
    let mut told = Vec::new();
    let prompt = if std::io::stdin().is_terminal() { "costs> " } else { "" };
    if !prompt.is_empty() {
        context.note(&format!("{}; /help says what there is", talk.model()));
    }
    let first = Some(asked.question.clone()).filter(|question| !question.trim().is_empty());
    let mut waiting = first;
    loop {
        let line = match waiting.take().map_or_else(|| editor.readline(prompt), Ok) {
            Ok(line) => line.trim().to_owned(),
            // What was typed is forgotten.
            Err(ReadlineError::Interrupted) => continue,
            Err(ReadlineError::Eof) => break,
            Err(error) => return Err(cannot(error)),
        };
        if line.is_empty() {
            continue;
        }
        let _ = editor.add_history_entry(&line);
        let done = match line.strip_prefix('/') {
            Some(command) => own(command, talk, &mut told, session, context),
            None => ask(talk, &line, session, teller).and_then(|answer| {
                let shown = show(&answer, Format::Table, context).map(drop);
                told.push(answer);
                shown
            }),
        };
        // A question that fails does not end the conversation.
        if let Err(error) = done {
            context.complain(&error);
        }
    }
    if let Some(folder) = history.parent().filter(|folder| folder.exists()) {
        tracing::debug!(folder = %folder.display(), "the history is kept");
        let _ = editor.save_history(&history);
    }
    Ok(ExitCode::Done)
}

/// Where the history is kept: beside the cache, for whoever works there.
fn history(session: &Session) -> PathBuf {
    session.database().cache_dir.join("query_history.txt")
}

/// A command of the conversation itself.
fn own(
    command: &str,
    talk: &mut Talk,
    told: &mut Vec<Answer<Reply>>,
    session: &Session,
    context: &Context,
) -> Result<()> {
    let (name, rest) = command.split_once(char::is_whitespace).unwrap_or((command, ""));
    let rest = rest.trim();
    match name {
        "help" => super::print(&format!("{HELP}\n")),
        "sources" => {
            let last = told.last().ok_or_else(|| Error::usage("nothing was answered yet"))?;
            super::print(&report::query::sources(last, context.style))
        }
        "sql" => {
            let operation = QueryDatabase { query: rest.to_owned(), limit: 1000, timeout: 60.0 };
            let answer = session.run(&operation)?;
            super::print(&report::sql::render(&answer, Format::Table, context.style)?)
        }
        "cost" => {
            let (usage, dollars) = talk.spent();
            let dollars = dollars.map_or(String::new(), |dollars| format!(", ${dollars:.4}"));
            let cached = usage.cache_read;
            super::print(&format!(
                "{} tokens in, {cached} of them cached, {} out{dollars}\n",
                usage.sent(),
                usage.output
            ))
        }
        "clear" => {
            talk.clear();
            told.clear();
            Ok(())
        }
        "save" if rest.is_empty() => Err(Error::usage("`/save` needs a file, such as /save answers.md")),
        "save" => {
            let path = PathBuf::from(rest);
            let text = if path.extension().is_some_and(|end| end == "json") {
                talk.transcript()?
            } else {
                let parts = told.iter().map(|answer| {
                    let text = report::query::render(answer, Format::Markdown, context.style)?;
                    Ok(format!("## {}\n\n{text}", inert::markdown(&answer.question)))
                });
                parts.collect::<Result<Vec<_>>>()?.join("\n")
            };
            fs::write(&path, text)
                .map_err(|e| Error::input(format!("cannot write `{}`", path.display())).caused_by(e))?;
            context.note(&format!("written to `{}`", path.display()));
            Ok(())
        }
        "quit" | "exit" => Err(Error::usage(format!("`/{name}` is Ctrl-D"))),
        other => Err(Error::usage(format!("there is no `/{other}`")).hint("/help says what there is")),
    }
}
