//! The tools of the agent: what only reads is called, what reaches out or costs money is asked for before.

use std::cell::Cell;

use serde_json::{Map, Value};

use crate::{
    agent::{Definition, External, Outcome, Source, Toolbox},
    error::{Error, Result},
    model::Stop,
    operations::{
        Effect, Permission, Session,
        tools::{self, TOOLS, Tool},
    },
    sources::cost_explorer,
};

/// The tools of a question.
pub(super) struct Tools<'a> {
    pub session: &'a Session,
    pub externals: &'a [External],
    pub yes: bool,
    pub max_spend: Option<f64>,
    /// US dollars that paid APIs were asked for.
    pub spent: Cell<f64>,
}

impl Toolbox for Tools<'_> {
    fn definitions(&self) -> Vec<Definition> {
        let own = TOOLS.iter().chain(tools::OWN).filter(|tool| tool.effect == Effect::Read).chain(tools::ASKED_FOR);
        let definition = |tool: &Tool| {
            let input = tool.input().unwrap_or_default();
            Definition { name: tool.name.to_owned(), description: tool.about.to_owned(), input }
        };
        own.map(definition).chain(self.externals.iter().flat_map(External::definitions)).collect()
    }

    fn call(&self, name: &str, input: &Map<String, Value>, stop: &Stop) -> Result<Outcome> {
        if let Some(external) = self.externals.iter().find(|external| external.has(name)) {
            return external.call(name, input, stop, self.session.runtime()?);
        }
        let session = self.session.for_call(self.session.today(), self.session.reporter_handle(), stop.clone());
        if let Some(tool) = tools::ASKED_FOR.iter().find(|tool| tool.name == name) {
            self.permit(tool, input, &session)?;
            let done = outcome(tool, &session, input)?;
            return Ok(Outcome { is_of_now: true, ..done });
        }
        let tool = match tools::OWN.iter().find(|tool| tool.name == name) {
            Some(tool) => tool,
            None => tools::find(name)?,
        };
        // Marks of people are made by people.
        if tool.effect != Effect::Read {
            return Err(Error::usage(format!("`{name}` is for people: `aws-cost-anomalies incidents`")));
        }
        outcome(tool, &session, input)
    }
}

impl Tools<'_> {
    /// Asks whether something may be done that reaches out of this machine, or costs money.
    fn permit(&self, tool: &Tool, input: &Map<String, Value>, session: &Session) -> Result<()> {
        let command = tool.command_line(session, input)?;
        let cost_usd = price(tool, input, session)?;
        let within = |cost: f64| self.max_spend.is_some_and(|most| self.spent.get() + cost <= most);
        let is_allowed = match cost_usd {
            Some(cost) => within(cost),
            None => self.yes,
        };
        let what = format!("the model asks for `{}`", tool.name);
        let permission = Permission { what, command: Some(command.clone()), cost_usd };
        if !is_allowed && !session.reporter().allow(&permission) {
            let hint = match cost_usd {
                Some(cost) => format!("the user allows it at a terminal, or with `--max-spend {cost:.2}`"),
                None => "the user allows it at a terminal, or with `--yes`".to_owned(),
            };
            return Err(Error::usage(format!("the user does not allow `{command}`")).hint(hint));
        }
        self.spent.set(self.spent.get() + cost_usd.unwrap_or(0.0));
        Ok(())
    }
}

/// What a call costs in US dollars; none where it is free.
fn price(tool: &Tool, input: &Map<String, Value>, session: &Session) -> Result<Option<f64>> {
    if tool.is_paid() {
        return Ok(Some(cost_explorer::REQUEST_PRICE));
    }
    let is_explorer = input.get("source").and_then(Value::as_str).is_some_and(|source| source == "cost-explorer");
    if !is_explorer {
        return Ok(None);
    }
    // The plan says it, and costs nothing.
    let planned = tool.planned(session, input)?;
    let cost = planned["cost_explorer"]["cost_usd"].as_f64();
    Ok(Some(cost.unwrap_or(cost_explorer::REQUEST_PRICE)))
}

fn outcome(tool: &Tool, session: &Session, input: &Map<String, Value>) -> Result<Outcome> {
    let answered = tool.call(session, input)?;
    let text = |name: &str| answered.structured.get(name).and_then(Value::as_str).map(str::to_owned);
    let warnings = answered.structured.get("warnings").and_then(Value::as_array).into_iter().flatten();
    let source = Source {
        tool: tool.name.to_owned(),
        days: days(&answered.structured),
        source: text("source"),
        metric: text("metric"),
        data_through: text("data_through"),
        settled_through: text("settled_through"),
        cli: answered.structured.get("reproduce").and_then(|reproduce| reproduce["cli"].as_str()).map(str::to_owned),
        warnings: warnings.filter_map(Value::as_str).map(str::to_owned).collect(),
    };
    Ok(Outcome { text: answered.text, structured: answered.structured.into(), source: Some(source), is_of_now: false })
}

/// The days that an answer is of: its period, or those of its parts.
fn days(answer: &Map<String, Value>) -> Option<String> {
    let of = |first: &Value, last: &Value, end: &str| {
        let day = |value: &Value, name: &str| value[name].as_str().map(str::to_owned);
        Some(format!("{}..{}", day(first, "start").or_else(|| day(first, "start_date"))?, day(last, end)?))
    };
    let get = |name: &str| answer.get(name);
    let periods = get("periods").and_then(Value::as_array).and_then(|all| of(all.first()?, all.last()?, "end"));
    let alone = ["period", "judged"].iter().find_map(|name| get(name).and_then(|period| of(period, period, "end")));
    let two = |answer: &Map<String, Value>| {
        let (before, after) = (answer.get("before")?, answer.get("after")?);
        Some(format!("{} and {}", of(before, before, "end")?, of(after, after, "end")?))
    };
    let week = || get("week").and_then(Value::as_object).and_then(two);
    // Of a change that has no course, the day that was asked about.
    let course = || get("course").and_then(|course| of(course, course, "last_date"));
    let peak = || get("baseline").and_then(|baseline| baseline["peak_date"].as_str()).map(str::to_owned);
    periods.or(alone).or_else(|| two(answer)).or_else(week).or_else(course).or_else(peak)
}
