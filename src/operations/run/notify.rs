//! What there is to say to channels, without fetching and judging.

use std::collections::BTreeSet;

use chrono::{NaiveDateTime, Utc};
use clap::Args;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{
    Lock, Summary,
    alerts::{Alerting, NO_CHANNEL, alert, planned, send_now},
    budgets, questions,
};
use crate::{
    config,
    error::{Error, Result},
    model::{Day, Delivery},
    notify::{
        Channel,
        digest::{About, Digest},
        plan::{Decision, Message, short_hash},
    },
    operations::{Answer, Effect, Header, Operation, Session},
};

/// Alert the channels to what is new of the incidents that the ledger has
///
/// Without fetching and judging, which `run` does before.
#[derive(Args, Clone, Debug, Deserialize, JsonSchema, Serialize)]
pub struct NotifyChannels {
    /// Take this day for today
    #[arg(long, value_name = "DATE")]
    pub as_of: Option<Day>,
}

/// Say who would be alerted to what, and why
#[derive(Args, Clone, Debug, Deserialize, JsonSchema, Serialize)]
pub struct PlanAlerts {
    /// Take this day for today
    #[arg(long, value_name = "DATE")]
    pub as_of: Option<Day>,
}

/// Send a sample to a channel
#[derive(Args, Clone, Debug, Deserialize, JsonSchema, Serialize)]
pub struct TestChannel {
    /// The channel's name in the configuration
    pub channel: String,
}

/// Give up the messages that wait for a channel
#[derive(Args, Clone, Debug, Deserialize, JsonSchema, Serialize)]
pub struct DropMessages {
    /// The channel's name, whether the configuration has it or not
    pub channel: String,
}

/// Show what was sent, and what waits
#[derive(Args, Clone, Debug, Deserialize, JsonSchema, Serialize)]
pub struct ShowChannels {}

/// What would be sent.
#[derive(Clone, Debug, JsonSchema, Serialize)]
pub struct Plans {
    /// By incident and channel.
    pub decisions: Vec<Decision>,
    /// Messages about budgets.
    pub budgets: Vec<BudgetAlert>,
}

/// A message about a budget that would be sent.
#[derive(Clone, Debug, JsonSchema, Serialize)]
pub struct BudgetAlert {
    /// The channel, by name.
    pub channel: String,
    /// Its first line: the budget, and the thresholds that are crossed.
    pub title: String,
    /// How the budget stands.
    pub text: String,
}

/// How the channels stand.
#[derive(Clone, Debug, JsonSchema, Serialize)]
pub struct ChannelStatus {
    /// Those of the configuration, and those that messages wait for.
    pub channels: Vec<Standing>,
}

/// How a channel stands.
#[derive(Clone, Debug, JsonSchema, Serialize)]
pub struct Standing {
    pub channel: String,
    pub kind: String,
    pub sent: u64,
    pub last_sent_at: Option<NaiveDateTime>,
    pub waiting: usize,
    pub dropped: u64,
    pub error: Option<String>,
}

/// A sample that was sent.
#[derive(Clone, Debug, JsonSchema, Serialize)]
pub struct Tested {
    /// The channel, by name.
    pub channel: String,
    /// The sample itself, of a channel that is this program's own output.
    pub text: Option<String>,
}

/// Messages that were given up.
#[derive(Clone, Debug, JsonSchema, Serialize)]
pub struct Dropped {
    /// The channel, by name.
    pub channel: String,
    /// How many messages were dropped.
    pub messages: usize,
}

impl Operation for NotifyChannels {
    const NAME: &'static str = "notify";
    const TITLE: &'static str = "Alert the channels to what is new";
    const EFFECT: Effect = Effect::Write;
    type Output = Summary;

    fn answer(&self, session: &Session) -> Result<Answer<Summary>> {
        let today = self.as_of.map_or(session.today(), Day::date);
        let plans = config::plans(&session.config().notify.planned)?;
        // A database that is not there is said before it is made.
        let questions = questions(today, session)?;
        let _lock = Lock::take(&session.database().path)?;
        let mut summary = Summary::default();
        let alerting = Alerting { questions: &questions, plans: &plans, today, sensitivity: None };
        alert(&alerting, None, session, &mut summary)?;
        Ok(Answer { header: Header::of(today), body: summary })
    }
}

impl Operation for PlanAlerts {
    const NAME: &'static str = "notify_plan";
    const TITLE: &'static str = "Who would be alerted to what, and why";
    const EFFECT: Effect = Effect::Read;
    type Output = Plans;

    fn answer(&self, session: &Session) -> Result<Answer<Plans>> {
        let today = self.as_of.map_or(session.today(), Day::date);
        let plans = config::plans(&session.config().notify.planned)?;
        let questions = questions(today, session)?;
        let alerting = Alerting { questions: &questions, plans: &plans, today, sensitivity: None };
        let planned = planned(&alerting, true, session)?;
        let notes = planned.notes.iter().chain(&session.config().notify.notes()).cloned().collect::<Vec<_>>();
        notes.iter().for_each(|note| session.reporter().note(&format!("note: {note}")));
        let alert = |message: Message| BudgetAlert {
            channel: message.channel,
            title: message.digest.title,
            text: message.digest.text.unwrap_or_default(),
        };
        let budgets = budgets::news(today, session)?.messages.into_iter().map(alert).collect();
        Ok(Answer { header: Header::of(today), body: Plans { decisions: planned.decisions, budgets } })
    }
}

impl Operation for TestChannel {
    const NAME: &'static str = "notify_test";
    const TITLE: &'static str = "Send a sample to a channel";
    const EFFECT: Effect = Effect::Write;
    type Output = Tested;

    fn answer(&self, session: &Session) -> Result<Answer<Tested>> {
        let name = &self.channel;
        let channel = session.config().notify.channel(name)?;
        let text = format!(
            "This is how alerts of aws-cost-anomalies arrive over the channel {name}. There is nothing to do: no cost moved."
        );
        let mut digest = Digest::of_program(About::Test, "test", session.today(), "Cost alerts: a test", text);
        digest.id = short_hash(&format!("{name} {}", Utc::now()));
        send_now(&channel, &digest, session)?;
        let text = channel.is_terminal().then(|| digest.plain());
        Ok(Answer { header: Header::plain(), body: Tested { channel: name.clone(), text } })
    }
}

impl Operation for DropMessages {
    const NAME: &'static str = "notify_drop";
    const TITLE: &'static str = "Give up the messages that wait for a channel";
    const EFFECT: Effect = Effect::Write;
    type Output = Dropped;

    fn answer(&self, session: &Session) -> Result<Answer<Dropped>> {
        let channel = &self.channel;
        drop(session.store()?);
        let _lock = Lock::take(&session.database().path)?;
        let mut store = session.store_for_writing()?;
        let waiting = store.waiting()?.into_iter().filter(|message| message.channel == *channel);
        let error = "given up by `notify drop`";
        let dropped: Vec<_> =
            waiting.map(|message| (message.message_id, Delivery::Dropped { error: error.to_owned() })).collect();
        if dropped.is_empty() {
            return Err(Error::input(format!("no message waits for the channel `{channel}`"))
                .hint("`aws-cost-anomalies notify status` shows what waits"));
        }
        store.save_deliveries(Utc::now().naive_utc(), &dropped)?;
        let body = Dropped { channel: channel.clone(), messages: dropped.len() };
        Ok(Answer { header: Header::plain(), body })
    }
}

impl Operation for ShowChannels {
    const NAME: &'static str = "notify_status";
    const TITLE: &'static str = "What was sent, and what waits";
    const EFFECT: Effect = Effect::Read;
    type Output = ChannelStatus;

    fn answer(&self, session: &Session) -> Result<Answer<ChannelStatus>> {
        let store = session.store()?;
        let waiting = store.waiting()?;
        let deliveries = store.deliveries()?;
        let standing = |name: &str, kind: &str, unusable: Option<String>| {
            let known = deliveries.iter().find(|one| one.channel == name);
            let waits = || waiting.iter().filter(|message| message.channel == name);
            Standing {
                channel: name.to_owned(),
                kind: kind.to_owned(),
                sent: known.map_or(0, |one| one.sent),
                last_sent_at: known.and_then(|one| one.last_sent_at),
                waiting: waits().count(),
                dropped: known.map_or(0, |one| one.dropped),
                error: waits().find_map(|message| message.error.clone()).or(unusable),
            }
        };
        let configured = session.config().notify.channels_or_terminal();
        let of_channel = |channel: &Channel| {
            let unusable = channel.check_secrets().err().map(|error| error.summary());
            standing(&channel.name, channel.kind().unwrap_or_default(), unusable)
        };
        let mut channels: Vec<Standing> = configured.iter().map(of_channel).collect();
        let absent: BTreeSet<&str> = waiting.iter().map(|message| message.channel.as_str()).collect();
        let absent = absent.into_iter().filter(|name| configured.iter().all(|channel| channel.name != *name));
        channels.extend(absent.map(|name| standing(name, "-", Some(NO_CHANNEL.to_owned()))));
        Ok(Answer { header: Header::plain(), body: ChannelStatus { channels } })
    }
}
