//! The services that are told of findings, over real HTTP: Slack, Teams, webhooks, PagerDuty, Twilio and SNS, and
//! language models. Each holds what comes against the rules that its makers published, and refuses in
//! its own words what breaks them. Faults are put in on purpose.

mod aws;
mod checks;
pub(crate) mod costs;
mod decode;
mod hook;
pub(crate) mod models;
mod pagerduty;
mod slack;
mod teams;
mod twilio;

use std::{
    collections::{HashMap, VecDeque},
    net::{TcpListener, TcpStream},
    sync::{Arc, Mutex, PoisonError},
    thread,
    time::Duration,
};

use serde_json::Value;

use self::{
    checks::text,
    decode::read_form,
    models::{Models, Seen, Turn},
};
use crate::http::{self, Answer};

/// Of the 24 bytes `aws-cost-anomalies-hooks`.
pub(crate) const HOOK_SECRET: &str = "whsec_YXdzLWNvc3QtYW5vbWFsaWVzLWhvb2tz";

/// The one token that Slack's Web API takes. In two parts, so that no scanner takes it for a real one.
pub(crate) const SLACK_TOKEN: &str = concat!("xoxb", "-111122223333-TESTTOKENOFABOT");

/// The one password that Twilio takes, of any account.
pub(crate) const TWILIO_TOKEN: &str = "twiliotokentwiliotokentwiliotoke";

/// What goes wrong with a request.
#[derive(Clone, Debug)]
pub(crate) enum Fault {
    /// An answer with this status, these headers and this body.
    Status(u16, Vec<(&'static str, String)>, &'static str),
    /// No answer for so long, and then none at all.
    Hang(Duration),
    /// The connection is reset after the request was read.
    Reset,
    /// The answer is to send the same to another address.
    Redirect(String),
    /// Nothing goes wrong yet.
    Pass,
}

/// A request as it came.
#[derive(Clone, Debug)]
pub(crate) struct Received {
    /// `slack-webhook`, `slack`, `teams`, `hook`, `pagerduty`, `twilio`, `sns`, `sts`, `anthropic`, `bedrock`, `openai`, the costs of
    /// vendors of models, or `unknown`.
    pub service: &'static str,
    pub path: String,
    pub headers: HashMap<String, String>,
    /// JSON, or an object of the fields of a form.
    pub body: Value,
    pub raw: Vec<u8>,
}

impl Received {
    /// Empty where there is none.
    fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", String::as_str)
    }
}

struct State {
    received: Vec<Received>,
    violations: Vec<String>,
    /// Faults by a part of the service and path, each used up once.
    faults: VecDeque<(String, Fault)>,
    /// Channel and time of Slack's messages, which are their names.
    messages: Vec<(String, String)>,
    /// The body that each webhook-id stands for.
    hooks: HashMap<String, Vec<u8>>,
    models: Models,
    /// What vendors of models charge: rows as `sample-data` writes them.
    costs: Vec<Value>,
}

pub(crate) struct FakeServices {
    pub url: String,
    state: Arc<Mutex<State>>,
}

impl FakeServices {
    pub(crate) fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let url = format!("http://{}", listener.local_addr().expect("an address"));
        let state = Arc::new(Mutex::new(State {
            received: Vec::new(),
            violations: Vec::new(),
            faults: VecDeque::new(),
            messages: Vec::new(),
            hooks: HashMap::new(),
            models: Models::default(),
            costs: Vec::new(),
        }));
        let shared = Arc::clone(&state);
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let state = Arc::clone(&shared);
                thread::spawn(move || serve(stream, &state));
            }
        });
        Self { url, state }
    }

    fn with<T>(&self, work: impl FnOnce(&mut State) -> T) -> T {
        work(&mut self.state.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Puts in a fault for the next request whose service and path, as in `slack /api/chat.postMessage`, contain
    /// this.
    pub(crate) fn fault(&self, path_contains: &str, fault: Fault) {
        self.with(|state| state.faults.push_back((path_contains.to_owned(), fault)));
    }

    /// All requests so far, also those that met a fault.
    pub(crate) fn received(&self) -> Vec<Received> {
        self.with(|state| state.received.clone())
    }

    /// What broke a rule of its service.
    pub(crate) fn violations(&self) -> Vec<String> {
        self.with(|state| state.violations.clone())
    }

    /// Forgets requests, violations and faults. What Slack's channels and webhooks have seen stays.
    pub(crate) fn clear(&self) {
        self.with(|state| {
            state.received.clear();
            state.violations.clear();
            state.faults.clear();
        });
    }

    /// Lets the models answer with this text.
    pub(crate) fn say(&self, text: &str) {
        self.with(|state| state.models.text = text.to_owned());
    }

    /// Lets the models say this in their next turns.
    pub(crate) fn script(&self, turns: Vec<Turn>) {
        self.with(|state| state.models.turns.extend(turns));
    }

    /// What the models were sent, turn by turn.
    pub(crate) fn seen(&self) -> Vec<Seen> {
        self.with(|state| state.models.seen.clone())
    }

    /// How many turns of the script were not asked for.
    pub(crate) fn turns_left(&self) -> usize {
        self.with(|state| state.models.turns.len())
    }

    /// Lets the vendors of models charge these rows.
    pub(crate) fn charge(&self, rows: Vec<Value>) {
        self.with(|state| state.costs = rows);
    }

    pub(crate) fn assert_clean(&self) {
        assert_eq!(self.violations(), Vec::<String>::new(), "what was sent is not what the services take");
    }
}

fn serve(mut stream: TcpStream, state: &Mutex<State>) {
    let Some(incoming) = http::read(&stream) else { return };
    let request = recognise(incoming);
    let (answer, fault) = {
        let mut state = state.lock().unwrap_or_else(PoisonError::into_inner);
        let name = format!("{} {}", request.service, request.path);
        let index = state.faults.iter().position(|(what, _)| name.contains(what.as_str()));
        let fault = index.and_then(|index| state.faults.remove(index)).map(|(_, fault)| fault);
        let mut wrong = Vec::new();
        let messages = state.messages.len();
        // A model that is not reached says nothing.
        let is_model = ["anthropic", "bedrock", "openai"].contains(&request.service);
        let is_lost = is_model && fault.as_ref().is_some_and(|fault| !matches!(fault, Fault::Pass));
        let answer = if is_lost { text(503, "") } else { answer(&request, &mut state, &mut wrong) };
        if fault.as_ref().is_some_and(|fault| !matches!(fault, Fault::Pass)) {
            // What met a fault was not posted.
            state.messages.truncate(messages);
        }
        state.violations.extend(wrong.into_iter().map(|what| format!("{}: {what}", request.service)));
        state.received.push(request);
        (answer, fault)
    };
    let answer = match fault {
        None | Some(Fault::Pass) => answer,
        Some(Fault::Status(status, headers, body)) => {
            let headers = headers.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
            Answer { status, headers, body: body.as_bytes().to_vec() }
        }
        Some(Fault::Redirect(to)) => Answer { status: 307, headers: vec![("location".into(), to)], body: Vec::new() },
        Some(Fault::Hang(duration)) => {
            thread::sleep(duration);
            return;
        }
        Some(Fault::Reset) => {
            // Without lingering the end of the connection is a reset.
            let _ = socket2::SockRef::from(&stream).set_linger(Some(Duration::ZERO));
            return;
        }
    };
    let cut = answer.headers.iter().find(|(name, _)| name == "x-test-cut").and_then(|(_, place)| place.parse().ok());
    http::write(&mut stream, &answer, &answer.body[..cut.unwrap_or(answer.body.len())]);
}

/// Finds the service that a request is for, and reads its body.
fn recognise(incoming: http::Incoming) -> Received {
    let http::Incoming { method, path, headers, body: raw } = incoming;
    let is_form = headers.get("content-type").is_some_and(|kind| kind.starts_with("application/x-www-form-urlencoded"));
    let body = if is_form { read_form(&raw) } else { serde_json::from_slice(&raw).unwrap_or(Value::Null) };
    let target = headers.get("x-amz-target").map_or("", String::as_str);
    let plain = path.split('?').next().unwrap_or_default();
    let service = match plain {
        _ if method == "GET" && plain.starts_with("/v1/organization/") => "openai costs",
        _ if method == "GET" && plain.starts_with("/v1/organizations/") => "anthropic costs",
        "/user/daily/activity" if method == "GET" => "litellm",
        _ if method != "POST" => "unknown",
        "/" if body["Action"] == "GetCallerIdentity" => "sts",
        "/" if body["Action"] == "Publish" || target == "AmazonSimpleNotificationService.Publish" => "sns",
        "/api/chat.postMessage" => "slack",
        "/v2/enqueue" => "pagerduty",
        "/v1/messages" => "anthropic",
        _ if plain.starts_with("/services/") => "slack-webhook",
        _ if plain.starts_with("/teams") => "teams",
        _ if plain.starts_with("/hook") => "hook",
        _ if plain.starts_with("/2010-04-01/Accounts/") && plain.ends_with("/Messages.json") => "twilio",
        _ if plain.starts_with("/model/") && plain.ends_with("/converse-stream") => "bedrock",
        "/v1/chat/completions" => "openai",
        _ => "unknown",
    };
    Received { service, path, headers, body, raw }
}

fn answer(request: &Received, state: &mut State, wrong: &mut Vec<String>) -> Answer {
    match request.service {
        "slack-webhook" => slack::webhook(request, wrong),
        "slack" => slack::message(request, &mut state.messages, wrong),
        "teams" => teams::answer(request, wrong),
        "hook" => hook::answer(request, &mut state.hooks, wrong),
        "pagerduty" => pagerduty::answer(request, wrong),
        "twilio" => twilio::answer(request, wrong),
        "sns" => aws::sns(request, wrong),
        "sts" => aws::sts(request, wrong),
        "openai costs" => costs::openai(request, &state.costs, wrong),
        "anthropic costs" => costs::anthropic(request, &state.costs, wrong),
        "litellm" => costs::litellm(request, &state.costs, wrong),
        "anthropic" => models::anthropic(request, &mut state.models, wrong),
        "bedrock" => models::bedrock(request, &mut state.models, wrong),
        "openai" => models::openai(request, &mut state.models, wrong),
        _ => {
            wrong.push(format!("nobody is told of anything at `{}`", request.path));
            text(404, "not found")
        }
    }
}
