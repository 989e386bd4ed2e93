//! Questions in plain words, answered by a language model that calls tools, and whose every figure is checked.

mod allowed;
mod permitted;

use std::{cell::Cell, sync::Arc};

use clap::{Args, ValueEnum};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use self::{allowed::allowed, permitted::Tools};
use super::{Answer, Effect, Header, Operation, Reporter, Session, input::number};
pub use crate::agent::{Checks, Limit, Reply, Source, Step, Usage};
use crate::{
    agent::{self, AgentSettings, Connection, External, Listener, Means, Provider},
    error::{Code, Error, Result},
    model::{Day, Stop},
    sources::aws::Aws,
    store::api_calls::ApiCall,
};

/// Ask in plain words, and get an answer whose figures were checked
///
/// A language model (`agent` in the configuration: Bedrock, Anthropic, or a server such as Ollama) calls the same operations as
/// the commands. Each figure of its answer is one that they gave, or it is withheld; the commands that repeat them come with it.
/// It is sent the question and the results, without ids of resources unless `agent.send_resource_names` allows them.
#[derive(Args, Clone, Debug, Deserialize, JsonSchema, Serialize)]
pub struct AskBill {
    /// The question
    #[arg(default_value = "")]
    pub question: String,

    /// Allow what only reads and fetches without asking back; never what costs money
    #[arg(long)]
    pub yes: bool,

    /// US dollars that requests to paid APIs of AWS may cost without asking back
    #[arg(long, value_name = "DOLLARS", value_parser = number)]
    #[schemars(range(min = 0))]
    pub max_spend: Option<f64>,

    /// Where the model is [default: agent.provider]
    #[arg(long, value_enum)]
    pub provider: Option<ProviderName>,

    /// The model [default: agent.model, or that of the provider's section]
    #[arg(long, value_name = "NAME")]
    pub model: Option<String>,

    /// US dollars that the model may cost [default: agent.max_cost_usd]
    #[arg(long, value_name = "DOLLARS", value_parser = number)]
    #[schemars(range(min = 0))]
    pub max_cost: Option<f64>,

    /// The day to take for today, as YYYY-MM-DD
    #[arg(long, value_name = "DATE")]
    pub as_of: Option<Day>,
}

/// Where a model is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema, Serialize, ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum ProviderName {
    /// Amazon Bedrock
    Bedrock,
    /// Anthropic's API
    Anthropic,
    /// OpenAI, or a server that speaks as it does
    #[value(name = "openai")]
    OpenAi,
}

impl Operation for AskBill {
    const NAME: &'static str = "query";
    const TITLE: &'static str = "A question in plain words";
    const EFFECT: Effect = Effect::Spends;
    type Output = Reply;

    fn answer(&self, session: &Session) -> Result<Answer<Reply>> {
        let mut talk = Talk::begin(self, session)?;
        let reply = talk.ask(&self.question, session, &Stop::default());
        talk.end(session)?;
        reply
    }
}

/// A conversation: a model, what it may call, and what was said.
pub struct Talk {
    asked: AskBill,
    settings: AgentSettings,
    provider: Box<dyn Provider>,
    externals: Vec<External>,
    conversation: agent::Conversation,
}

impl Talk {
    /// Opens a way to the model, and to the servers of the configuration. A server that fails is said and left out.
    ///
    /// # Errors
    /// When there is no way to the model.
    pub fn begin(asked: &AskBill, session: &Session) -> Result<Self> {
        let config = session.config();
        let mut settings = config.agent.clone();
        settings.max_cost_usd = asked.max_cost.unwrap_or(settings.max_cost_usd);
        let provider = provider(asked, &settings, session)?;
        if settings.price(provider.model()).is_none() && !is_own(asked, &settings, session) {
            session.reporter().note(&format!(
                "note: `agent.prices` does not know `{}`: what it costs is not shown, and `max_cost_usd` cannot end it",
                provider.model()
            ));
        }
        let mut externals = Vec::new();
        for server in &settings.mcp_servers {
            match External::connect(server, session.runtime()?) {
                Ok(external) => externals.extend(allowed(external, asked.yes, session)?),
                Err(error) => session.reporter().failed(&error),
            }
        }
        Ok(Self { asked: asked.clone(), settings, provider, externals, conversation: agent::Conversation::new() })
    }

    /// Answers one question. What it cost is noted in the database (`api_calls`), if nobody else uses it.
    ///
    /// # Errors
    /// When the model is not reached, or refuses.
    pub fn ask(&mut self, question: &str, session: &Session, stop: &Stop) -> Result<Answer<Reply>> {
        if question.trim().is_empty() {
            return Err(Error::usage("what is the question?"));
        }
        let today = self.asked.as_of.map_or(session.today(), Day::date);
        let session = session.for_call(today, session.reporter_handle(), stop.clone());
        let tools = Tools {
            session: &session,
            externals: &self.externals,
            yes: self.asked.yes,
            max_spend: self.asked.max_spend,
            spent: Cell::new(0.0),
        };
        let listener = Told(session.reporter_handle());
        let (usage, cost) = (self.conversation.usage, self.conversation.cost_usd);
        let means = Means {
            provider: &*self.provider,
            tools: &tools,
            settings: &self.settings,
            runtime: session.runtime()?,
            listener: &listener,
            stop,
            today: today.to_string(),
        };
        let reply = self.conversation.ask(question, &means);
        let tokens = self.conversation.usage;
        let more = |now: u64, before: u64| now - before;
        self.note(
            &session,
            Noted {
                input: more(tokens.sent(), usage.sent()),
                output: more(tokens.output, usage.output),
                cached: more(tokens.cache_read, usage.cache_read),
                cost_usd: self.conversation.cost_usd - cost,
                outcome: if reply.is_ok() { "answered" } else { "failed" },
            },
        );
        let header = Header { operation: AskBill::NAME.to_owned(), ..Header::of(today) };
        Ok(Answer { header, body: reply? })
    }

    /// Tokens and dollars of all questions so far; no dollars where the model has no price.
    pub fn spent(&self) -> (Usage, Option<f64>) {
        let price = self.settings.price(self.provider.model());
        (self.conversation.usage, price.map(|_| self.conversation.cost_usd))
    }

    /// Forgets what was said, and keeps the model and the servers.
    pub fn clear(&mut self) {
        let (usage, cost_usd) = (self.conversation.usage, self.conversation.cost_usd);
        self.conversation = agent::Conversation::new();
        (self.conversation.usage, self.conversation.cost_usd) = (usage, cost_usd);
    }

    /// What was said, as JSON.
    ///
    /// # Errors
    /// Never, unless this program is broken.
    pub fn transcript(&self) -> Result<String> {
        serde_json::to_string_pretty(self.conversation.messages())
            .map_err(|e| Error::bug("a conversation has no JSON").caused_by(e))
    }

    /// The model's name.
    pub fn model(&self) -> &str {
        self.provider.model()
    }

    /// Ends the servers.
    ///
    /// # Errors
    /// When the network's threads cannot be started.
    pub fn end(self, session: &Session) -> Result<()> {
        let runtime = session.runtime()?;
        self.externals.into_iter().for_each(|external| external.end(runtime));
        Ok(())
    }

    /// Notes what a question cost. It was answered whether this can be written or not.
    fn note(&self, session: &Session, noted: Noted) {
        let about = format!(
            "{}: {} tokens in, {} of them cached, {} out",
            self.provider.model(),
            noted.input,
            noted.cached,
            noted.output
        );
        let call = ApiCall {
            service: self.provider.name(),
            operation: "query",
            account_id: "",
            about: &about,
            requests: 1,
            cost_usd: noted.cost_usd,
            outcome: noted.outcome,
        };
        if !session.database().path.exists() {
            return;
        }
        let written = session.store_for_writing_now().and_then(|store| store.record_call(&call));
        if let Err(error) = written {
            tracing::info!(error = error.summary(), "what the question cost is not noted");
        }
    }
}

/// What a question took.
struct Noted {
    input: u64,
    output: u64,
    cached: u64,
    cost_usd: f64,
    outcome: &'static str,
}

/// The way to the model that is asked for.
fn provider(asked: &AskBill, settings: &AgentSettings, session: &Session) -> Result<Box<dyn Provider>> {
    let config = session.config();
    let or = |own: &str, other: &str| if own.is_empty() { other.to_owned() } else { own.to_owned() };
    let model = |of_section: &str| asked.model.clone().unwrap_or_else(|| or(&settings.model, of_section));
    match name(asked, settings) {
        ProviderName::Bedrock => {
            let mut own = config.bedrock.clone();
            own.model = model(&own.model);
            own.region = or(&settings.region, &own.region);
            own.profile = or(&settings.profile, &own.profile);
            // Credentials of their own: the role for costs is not theirs.
            let aws = crate::sources::aws::Settings { role_arn: String::new(), ..config.aws.clone() };
            let aws = Aws::connect(&aws, &own.profile, session.runtime()?);
            Connection::Bedrock(&own, aws.sdk_config()).open()
        }
        ProviderName::Anthropic => {
            let mut own = config.anthropic.clone();
            own.model = model(&own.model);
            Connection::Anthropic(&own).open()
        }
        ProviderName::OpenAi => {
            let mut own = config.openai.clone();
            own.model = model(&own.model);
            Connection::OpenAi(&own).open()
        }
    }
}

fn name(asked: &AskBill, settings: &AgentSettings) -> ProviderName {
    let configured = || ProviderName::from_str(&settings.provider, true).unwrap_or(ProviderName::Bedrock);
    asked.provider.unwrap_or_else(configured)
}

/// Whether the model is on this machine, where it has no price.
fn is_own(asked: &AskBill, settings: &AgentSettings, session: &Session) -> bool {
    name(asked, settings) == ProviderName::OpenAi && session.config().openai.url.starts_with("http://")
}

/// Says on the way what is done.
struct Told(Arc<dyn Reporter>);

impl Listener for Told {
    fn says(&self, text: &str) {
        self.0.written(text);
    }

    fn step(&self, step: &Step, error: Option<&Error>) {
        let parts: Vec<String> = step
            .arguments
            .iter()
            .map(|(name, value)| {
                let value = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
                format!("{name}={}", crate::model::cut(&crate::inert::one_line(&value), 80))
            })
            .collect();
        let outcome = match error {
            Some(error) => format!(": {}", error.message()),
            None if step.remembered => ", from memory".to_owned(),
            None => format!(", {} ms", step.milliseconds),
        };
        self.0.note(&format!("  {} {}{outcome}", step.tool, parts.join(" ")).replace(" ,", ",").replace(" :", ":"));
    }
}

/// Whether there are costs to ask about.
///
/// # Errors
/// When the database cannot be read.
pub fn has_costs(session: &Session) -> Result<bool> {
    match session.store().and_then(|store| Ok(crate::store::Facts::line_counts(&*store)?.0)) {
        Ok(lines) => Ok(lines > 0),
        Err(error) if error.code() == Code::NoDatabase => Ok(false),
        Err(error) => Err(error),
    }
}
