//! Prompts of the MCP server: the questions that people ask most, and how a model answers them well.

use rmcp::model::{GetPromptResult, Prompt, PromptArgument, PromptMessage, Role};
use serde_json::{Map, Value, json};

use crate::{
    error::{Error, Result, nearest},
    model::{Day, Month},
    operations::{self, Session},
};

/// A prompt: its name, what it is for, its arguments with what they are, and its words, where `{argument}` stands for one.
struct Question {
    name: &'static str,
    title: &'static str,
    arguments: &'static [(&'static str, &'static str)],
    words: &'static str,
}

/// What every answer keeps to.
const MANNERS: &str = "State the metric, the days and the source of every figure, copy figures exactly as the tools give them, \
pass on what `warnings` say, and end with the `reproduce.cli` of what you used. If the data does not answer it, say so.";

const QUESTIONS: [Question; 4] = [
    Question {
        name: "morning_review",
        title: "What needs attention this morning",
        arguments: &[],
        words: "Review our cloud costs as of the newest settled day. Call get_overview, then list_incidents. For each open \
                incident that nobody has acknowledged or expected, call explain_cost with its id. Tell me first whether \
                anything needs somebody today. Then, the largest first: what moved, since when, by how many dollars a day, \
                why, and the next step. Close with where the month will end.",
    },
    Question {
        name: "explain_incident",
        title: "Why a cost moved, and what to do",
        arguments: &[("id", "the id of an incident, or the beginning of it")],
        words: "Explain incident {id}. Call explain_cost with this id; if the cause is not clear from it, drill_down over the \
                days before and since. Say what changed, since when, by how many dollars a day and in all, which usage type, \
                account and resource carry it, whether it is usage, price, commitments or credits, and the next command to run.",
    },
    Question {
        name: "month_report",
        title: "A month, told to a team",
        arguments: &[("month", "the month, as YYYY-MM")],
        words: "Report on {month}. Call compare_periods with this month against the previous one, get_cost_trend by service and by \
                account for its days, get_forecast for it if it is not over, and list_incidents with status all since its first \
                day. One page: the total and its change, the five largest movers with their causes, incidents, what credits or \
                refunds hide, and what to watch.",
    },
    Question {
        name: "is_this_normal",
        title: "Whether a cost on a day is as it should be",
        arguments: &[("service", "a service, such as AmazonEC2"), ("date", "a day, as YYYY-MM-DD")],
        words: "Is the cost of {service} on {date} normal? Call explain_cost with this service and date, and find_anomalies \
                from and to {date}. Say yes or no first, then actual against expected, how such days usually are, and if no, why.",
    },
];

pub(super) fn all() -> Vec<Prompt> {
    let prompt = |question: &Question| {
        let argument =
            |(name, about): &(&str, &str)| PromptArgument::new(*name).with_description(*about).with_required(true);
        let arguments: Vec<PromptArgument> = question.arguments.iter().map(argument).collect();
        Prompt::new(question.name, Some(question.title), Some(arguments)).with_title(question.title)
    };
    QUESTIONS.iter().map(prompt).collect()
}

/// A prompt with its arguments.
///
/// # Errors
/// When there is no such prompt, or an argument is missing, unknown or not what it should be.
pub(super) fn made(name: &str, given: &Map<String, Value>) -> Result<GetPromptResult> {
    let question = QUESTIONS.iter().find(|question| question.name == name).ok_or_else(|| {
        let names = || QUESTIONS.iter().map(|question| question.name);
        let error = Error::usage(format!("there is no prompt `{name}`"));
        match nearest(name, names()) {
            Some(near) => error.hint(format!("did you mean `{near}`?")),
            None => error.hint(format!("there are: {}", names().collect::<Vec<_>>().join(", "))),
        }
    })?;
    let is_known = |name: &str| question.arguments.iter().any(|(known, _)| *known == name);
    if let Some(unknown) = given.keys().find(|name| !is_known(name)) {
        return Err(Error::usage(format!("`{name}` has no argument `{unknown}`")));
    }
    let mut words = question.words.to_owned();
    for (argument, about) in question.arguments {
        let value = given.get(*argument).and_then(Value::as_str).map(str::trim).filter(|value| !value.is_empty());
        let value = value.ok_or_else(|| Error::usage(format!("`{name}` needs `{argument}`: {about}")))?;
        words = words.replace(&format!("{{{argument}}}"), &checked(argument, value)?);
    }
    let message = PromptMessage::new_text(Role::User, format!("{words}\n\n{MANNERS}"));
    Ok(GetPromptResult::new(vec![message]).with_description(question.title))
}

/// An argument that is what it should be: it stands in a text that a model obeys.
fn checked(argument: &str, value: &str) -> Result<String> {
    match argument {
        "date" => value.parse::<Day>().map(|day| day.to_string()),
        "month" => value.parse::<Month>().map(|month| month.to_string()),
        _ => Ok(crate::inert::one_line(value).into_owned()),
    }
}

/// Values that begin as what was typed: of the argument of a prompt, or of the template of incidents.
///
/// # Errors
/// As the operations that are asked.
pub(super) fn completions(session: &Session, prompt: Option<&str>, argument: &str, typed: &str) -> Result<Vec<String>> {
    if prompt.is_some_and(|name| !QUESTIONS.iter().any(|question| question.name == name)) {
        return Ok(Vec::new());
    }
    let texts = |list: &Value, field: &str| -> Vec<String> {
        list.as_array().into_iter().flatten().filter_map(|one| one[field].as_str()).map(str::to_owned).collect()
    };
    let mut found = match argument {
        "id" => {
            let incidents = operations::find("incidents")?.call(session, json!({"status": ["all"]}))?;
            texts(&incidents["incidents"], "id")
        }
        "service" => {
            let values = operations::find("values")?.call(session, json!({"dimension": "service", "top": 1000}))?;
            texts(&values["values"], "value")
        }
        "month" | "date" => {
            let granularity = if argument == "month" { "monthly" } else { "daily" };
            let days = if argument == "month" { 400 } else { 100 };
            let trends =
                operations::find("trends")?.call(session, json!({"days": days, "granularity": granularity}))?;
            let length = if argument == "month" { "2026-01".len() } else { "2026-01-01".len() };
            let mut days = texts(&trends["periods"], "start");
            days.reverse();
            days.into_iter().map(|day| day.chars().take(length).collect()).collect()
        }
        _ => Vec::new(),
    };
    let typed = typed.to_lowercase();
    found.retain(|value| value.to_lowercase().starts_with(&typed));
    Ok(found)
}
