use clap::Args;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Answer, Effect, Operation, Selection, Session, input::number};
use crate::{
    analysis::detection::{Parameters, Step},
    error::Result,
    insights::{
        anomalies::{Anomalies, Detected, Scores, anomalies, scores},
        levels,
        request::Request,
        warning::{NotKept, Warning},
    },
    model::{ChargeCategory, Day, Dimension, GroupBy, Method, Sensitivity},
};

/// The threshold of the method `zscore`, which is not in units of the modified z-score.
const ZSCORE_THRESHOLD: f64 = 2.0;

/// Find costs that moved
///
/// Judges the newest settled day, or each day from --from to --to, by the days before it, and keeps what it finds in the
/// ledger (`incidents`). Looks at the total, regions, accounts, services and the parts of these, and tells the same dollars
/// once, as small as they are. docs/ANOMALIES.md says how, and how well.
#[derive(Args, Clone, Debug, Deserialize, JsonSchema, Serialize)]
pub struct FindAnomalies {
    /// What to judge, and how.
    #[command(flatten)]
    #[serde(flatten)]
    pub detection: Detection,

    /// Do not write to the ledger
    #[arg(long)]
    pub no_save: bool,
}

/// Give every judged day of every series with its score, for programs
#[derive(Args, Clone, Debug, Deserialize, JsonSchema, Serialize)]
pub struct ScoreDays {
    /// What to judge, and how.
    #[command(flatten)]
    #[serde(flatten)]
    pub detection: Detection,
}

#[expect(missing_docs, reason = "clap takes that of a flattened struct for the help of the command")]
#[derive(Args, Clone, Debug, Deserialize, JsonSchema, Serialize)]
pub struct Detection {
    /// Days of two weeks: levels are medians of twice, lasting changes of half as many [default: anomaly.rolling_window_days]
    #[arg(long, value_name = "N")]
    #[schemars(range(min = 5, max = 400))]
    pub days: Option<u32>,

    /// First day to judge, as YYYY-MM-DD [default: the newest settled day]
    #[arg(long, value_name = "DATE")]
    pub from: Option<Day>,

    /// Last day to judge, as YYYY-MM-DD [default: the newest settled day]
    #[arg(long, value_name = "DATE")]
    pub to: Option<Day>,

    /// Judge only the groups of these dimensions, joined by +; `trends --help` lists them [default: every level; service for
    /// --scores]
    #[arg(long, value_name = "DIMENSIONS")]
    pub group_by: Option<GroupBy>,

    /// How a day is judged
    #[arg(long, value_enum, default_value = "robust")]
    pub method: Method,

    /// How readily a day is flagged [default: anomaly.z_score_threshold]
    #[arg(long, value_enum)]
    pub sensitivity: Option<Sensitivity>,

    /// Score from which a day is flagged [default: anomaly.z_score_threshold; 2.0 for --method zscore]
    #[arg(long, value_name = "SCORE", conflicts_with = "sensitivity", value_parser = number)]
    #[schemars(extend("exclusiveMinimum" = 0))]
    pub threshold: Option<f64>,

    /// Percentage from which a lasting change is flagged [default: anomaly.drift_threshold_pct]
    #[arg(long, value_name = "PERCENT", value_parser = number)]
    #[schemars(extend("exclusiveMinimum" = 0))]
    pub drift_threshold: Option<f64>,

    /// Daily cost, actual or expected, below which nothing matters [default: anomaly.min_daily_cost]
    #[arg(long, value_name = "AMOUNT", value_parser = number)]
    #[schemars(range(min = 0))]
    pub min_cost: Option<f64>,

    /// Difference a day, in money, below which nothing is flagged [default: anomaly.min_impact]
    #[arg(long, value_name = "AMOUNT", value_parser = number)]
    #[schemars(range(min = 0))]
    pub min_impact: Option<f64>,

    /// Leave steps of the robust method out, to measure what they are worth
    #[arg(long, value_enum, value_delimiter = ',', hide = true)]
    #[serde(skip)]
    pub without: Vec<Step>,

    /// Which costs.
    #[command(flatten)]
    #[serde(flatten)]
    pub selection: Selection,
}

impl Detection {
    fn request<'a>(&'a self, session: &Session, include: &'a [ChargeCategory]) -> Request<'a> {
        Request {
            question: self.selection.question(session),
            group_by: self.group_by.clone().unwrap_or_else(|| GroupBy(vec![Dimension::Service])),
            from: self.from.map(Day::date),
            to: self.to.map(Day::date),
            include,
            sensitivity: self.sensitivity,
            parameters: self.parameters(session),
        }
    }

    /// The settings, with what is asked otherwise.
    fn parameters(&self, session: &Session) -> Parameters {
        let mut settings = session.config().anomaly.clone();
        settings.rolling_window_days = self.days.map_or(settings.rolling_window_days, |days| days as usize);
        let mut parameters = Parameters::new(&settings, self.method);
        if self.method == Method::Zscore {
            parameters.threshold = ZSCORE_THRESHOLD;
        }
        let asked = self.sensitivity.map(Sensitivity::threshold).or(self.threshold);
        parameters.threshold = asked.unwrap_or(parameters.threshold);
        parameters.drift_threshold_pct = self.drift_threshold.unwrap_or(parameters.drift_threshold_pct);
        parameters.min_daily_cost = self.min_cost.unwrap_or(parameters.min_daily_cost);
        parameters.min_impact = self.min_impact.unwrap_or(parameters.min_impact);
        self.without.iter().fold(parameters, |parameters, step| parameters.without(*step))
    }

    /// A parameter that differs from the settings: incidents that such a run does not find would be withdrawn.
    fn unlike_the_settings(&self) -> Option<&'static str> {
        let given = [
            ("--days", self.days.is_some()),
            ("--threshold", self.threshold.is_some()),
            ("--drift-threshold", self.drift_threshold.is_some()),
            ("--min-cost", self.min_cost.is_some()),
            ("--min-impact", self.min_impact.is_some()),
            ("--without", !self.without.is_empty()),
        ];
        given.into_iter().find(|(_, is_given)| *is_given).map(|(flag, _)| flag)
    }
}

impl FindAnomalies {
    /// Writes what changed to the ledger. The answer stands without it: a database that somebody else uses, or that may
    /// not be written, is a warning.
    fn keep(&self, detected: &mut Detected, session: &Session) {
        if self.no_save || detected.ledger.changes.is_empty() {
            return;
        }
        let not_kept = match self.detection.unlike_the_settings() {
            Some(flag) => NotKept::OtherSettings { flag: flag.to_owned() },
            None => {
                let store = session.store_for_writing_now();
                match store.and_then(|mut store| store.save_incidents(&detected.ledger.changes)) {
                    Ok(()) => return,
                    Err(error) => NotKept::NotWritten { error: error.summary() },
                }
            }
        };
        detected.answer.header.warnings.push(Warning::NotKeptInLedger { reason: not_kept });
    }
}

impl Operation for FindAnomalies {
    const NAME: &'static str = "anomalies";
    const TITLE: &'static str = "Costs that moved";
    const EFFECT: Effect = Effect::Write;
    type Output = Anomalies;

    fn answer(&self, session: &Session) -> Result<Answer<Anomalies>> {
        let include = self.detection.selection.included();
        let request = self.detection.request(session, &include);
        let mut detected = {
            let store = session.store()?;
            match self.detection.group_by {
                Some(_) => anomalies(&*store, &store, &request)?,
                None => levels::anomalies(&*store, &store, &request)?,
            }
        };
        self.keep(&mut detected, session);
        Ok(detected.answer)
    }
}

impl Operation for ScoreDays {
    const NAME: &'static str = "scores";
    const TITLE: &'static str = "Every judged day with its score";
    const EFFECT: Effect = Effect::Read;
    type Output = Scores;

    fn answer(&self, session: &Session) -> Result<Answer<Scores>> {
        let include = self.detection.selection.included();
        scores(&*session.store()?, &self.detection.request(session, &include))
    }
}
