//! An answer of the agent as text: what it says, what its figures are of, and the commands that repeat them.

use std::collections::BTreeSet;

use super::{Format, Page, Style, csv, json, units::count};
use crate::{
    error::Result,
    inert,
    insights::answer::Answer,
    operations::{FigureSource, Limit, Reply},
};

pub(crate) fn render(answer: &Answer<Reply>, format: Format, style: Style) -> Result<String> {
    match format {
        Format::Json => json(answer),
        Format::Csv => csv(
            &["tool", "arguments", "ok", "remembered", "milliseconds"].map(str::to_owned),
            answer.steps.iter().map(|step| {
                let arguments = serde_json::Value::Object(step.arguments.clone()).to_string();
                let row = [step.ok.to_string(), step.remembered.to_string(), step.milliseconds.to_string()];
                [vec![step.tool.clone(), arguments], row.to_vec()].concat()
            }),
        ),
        Format::Table => Ok(text(answer, Page::Terminal(style))),
        Format::Markdown => Ok(text(answer, Page::Markdown)),
    }
}

fn text(reply: &Reply, page: Page) -> String {
    let mut text = String::new();
    if !reply.answer.is_empty() {
        text += &page.prose(&format!("{}\n", inert::lines(&reply.answer)));
    }
    text + &of(reply, page)
}

/// What the figures of an answer are of, and the commands that repeat them.
pub(crate) fn sources(reply: &Reply, style: Style) -> String {
    let text = of(reply, Page::Terminal(style));
    if text.is_empty() { "no tool was called for the last answer\n".to_owned() } else { text }
}

fn of(reply: &Reply, page: Page) -> String {
    let mut text = String::new();
    let notes: BTreeSet<&String> = reply.sources.iter().flat_map(|source| &source.warnings).collect();
    for note in notes {
        text += &page.prose(&format!("\nnote: {note}\n"));
    }
    let withheld = withheld(reply);
    if !withheld.is_empty() {
        text += &page.prose(&format!("\n{withheld}\n"));
    }
    let of: BTreeSet<String> = reply.sources.iter().map(said).filter(|of| !of.is_empty()).collect();
    if !of.is_empty() {
        text += &page.prose(&format!("\n{}\n", of.into_iter().collect::<Vec<_>>().join("\n")));
    }
    let mut commands: Vec<&String> = reply.sources.iter().filter_map(|source| source.cli.as_ref()).collect();
    let mut seen = BTreeSet::new();
    commands.retain(|command| seen.insert(*command));
    for command in commands {
        text += &page.line(&format!("  {command}"));
    }
    text
}

/// What of an answer is not shown, and why; nothing where all is.
pub(crate) fn withheld(reply: &Reply) -> String {
    if reply.checks.withheld.is_empty() {
        return String::new();
    }
    // An address that somebody put into a bill is not repeated.
    let is_figure = |text: &&String| text.chars().any(char::is_numeric) && !text.contains(['/', ':']);
    let figures: Vec<&str> = reply.checks.withheld.iter().filter(is_figure).map(String::as_str).collect();
    let others = reply.checks.withheld.len() - figures.len();
    let others = (others > 0).then(|| "words or addresses that are in no result".to_owned());
    let parts: Vec<String> = figures.iter().map(|figure| (*figure).to_owned()).chain(others).collect();
    format!("withheld, since no tool gave it: {}", parts.join(", "))
}

/// What figures are of, in a line.
fn said(source: &FigureSource) -> String {
    let day = |name: &str, day: &Option<String>| day.as_ref().map(|day| format!("{name} {day}"));
    let parts = [
        source.days.clone(),
        source.source.clone(),
        source.metric.as_ref().map(|metric| metric.replace('_', " ")),
        day("data through", &source.data_through),
        day("settled through", &source.settled_through),
    ];
    // An incident has days of its own, and a statement may be of anything.
    if source.metric.is_none() {
        return String::new();
    }
    parts.into_iter().flatten().collect::<Vec<_>>().join(", ")
}

/// What a question took, in a line.
pub(crate) fn cost(reply: &Reply) -> String {
    let usage = reply.usage;
    let cached = match usage.cache_read {
        0 => String::new(),
        cached => format!(" ({} cached)", count(cached)),
    };
    let dollars = reply.cost_usd.map_or(String::new(), |cost| format!(", ${cost:.4}"));
    let turns = if reply.turns == 1 { "turn" } else { "turns" };
    let calls = if reply.steps.len() == 1 { "call" } else { "calls" };
    format!(
        "{}: {} {turns}, {} {calls}, {}{cached} tokens in, {} out{dollars}",
        reply.model,
        reply.turns,
        reply.steps.len(),
        count(usage.sent()),
        count(usage.output)
    )
}

/// Why a question has no answer, and what would give it one.
pub(crate) fn ended(limit: Limit) -> (&'static str, &'static str) {
    match limit {
        Limit::Turns => (
            "the model came to no answer in so many turns",
            "ask for less, or allow more with `agent.max_agent_iterations`",
        ),
        Limit::Calls => {
            ("the model came to no answer with so many calls", "ask for less, or allow more with `agent.max_calls`")
        }
        Limit::Time => {
            ("the model came to no answer in time", "ask for less, or allow more with `agent.timeout_seconds`")
        }
        Limit::Cost => ("the question reached its budget", "allow more with `--max-cost`, or `agent.max_cost_usd`"),
        Limit::Stopped => ("stopped", "ask again when you like"),
    }
}
