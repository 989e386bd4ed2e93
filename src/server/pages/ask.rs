//! Questions in plain words: the agent, with what it did, what its figures are of, and what it cost.

use std::sync::Arc;

use askama::Template;
use axum::{
    Extension, Router,
    body::Bytes,
    extract::State,
    http::StatusCode,
    middleware::from_fn,
    response::Response,
    routing::{get, post},
};

use super::{Age, html, of_problem, parts::rendered, shell};
use crate::{
    error::Result,
    operations::{Answer, AskBill, Reply, parse_flags},
    report::query as words,
    server::{App, api, guard::Guest, problem::Problem, query, read},
    web::Scope,
};

/// What can be asked, for those who do not know what to ask.
const EXAMPLES: [&str; 4] = [
    "What changed last week, and why?",
    "Where will this month end, and what drives it?",
    "Which service grew most since last month?",
    "What could we stop?",
];

#[derive(Template)]
#[template(path = "ask.html")]
struct Ask<'a> {
    question: &'a str,
    examples: [&'static str; 4],
    may: bool,
    answer: String,
}

#[derive(Template)]
#[template(path = "reply.html")]
struct ReplyTemplate {
    /// Each of lines.
    paragraphs: Vec<Vec<String>>,
    ended: String,
    withheld: String,
    notes: Vec<String>,
    steps: Vec<(String, String, bool, u64)>,
    commands: Vec<String>,
    cost: String,
}

pub(super) fn router() -> Router<Arc<App>> {
    let show = get(show).route_layer(from_fn(read));
    Router::new().route("/ask", show.merge(post(ask).route_layer(from_fn(query))))
}

fn page(question: &str, answer: String, guest: &Guest) -> Result<Response, Problem> {
    let main = rendered(&Ask { question, examples: EXAMPLES, may: guest.may(Scope::Query), answer })?;
    Ok(html(StatusCode::OK, shell("Ask", &main, "/ask", Some(guest), &Age::default())?))
}

async fn show(Extension(guest): Extension<Guest>) -> Result<Response, Problem> {
    page("", String::new(), &guest)
}

async fn ask(State(app): State<Arc<App>>, Extension(guest): Extension<Guest>, body: Bytes) -> Response {
    let given = form_urlencoded::parse(&body).find(|(name, _)| name == "question");
    let question = given.map_or(String::new(), |(_, value)| value.into_owned());
    let answered = match parse_flags::<AskBill>(&["--".to_owned(), question.clone()]) {
        Ok(operation) => api::reply(&app, operation).await,
        Err(error) => Err(error),
    };
    let shown = answered
        .and_then(|answer| shown(&answer))
        .map_err(Problem::from)
        .and_then(|answer| page(&question, answer, &guest));
    shown.unwrap_or_else(|problem| of_problem(&problem, Some(&guest)))
}

fn shown(answer: &Answer<Reply>) -> Result<String> {
    let steps = answer.steps.iter().map(|step| {
        let arguments = serde_json::Value::Object(step.arguments.clone()).to_string();
        (step.tool.clone(), arguments, step.ok, step.milliseconds)
    });
    let mut commands: Vec<String> = answer.sources.iter().filter_map(|source| source.cli.clone()).collect();
    commands.dedup();
    let mut notes: Vec<String> = answer.sources.iter().flat_map(|source| source.warnings.clone()).collect();
    notes.sort_unstable();
    notes.dedup();
    rendered(&ReplyTemplate {
        paragraphs: answer
            .answer
            .split("\n\n")
            .filter(|text| !text.trim().is_empty())
            .map(|text| text.lines().map(str::to_owned).collect())
            .collect(),
        ended: answer.stopped.map_or(String::new(), |limit| {
            let (what, hint) = words::ended(limit);
            format!("{what}: {hint}")
        }),
        withheld: words::withheld(answer),
        notes,
        steps: steps.collect(),
        commands,
        cost: words::cost(answer),
    })
}
