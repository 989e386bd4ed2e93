//! What vendors of models say over their APIs that they charge, a month at a time, as rows of the layouts in `formats::models`.

mod anthropic;
mod litellm;
mod openai;

use std::{collections::BTreeMap, time::Duration};

use chrono::{Days, Months, NaiveDate, NaiveTime};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::formats::Format;
use crate::{
    error::{Code, Error, Result},
    model::first_of_month,
    web::{
        Http, check_address,
        secret::{Reference, Secret},
    },
};

const ATTEMPTS: u32 = 4;
const TIMEOUT: Duration = Duration::from_secs(60);
/// More pages than any month has: a server that never ends is left.
const MOST_PAGES: usize = 10_000;

/// Days in an answer: the most that both vendors give of all that is asked.
const DAYS: u32 = 31;

/// The `vendors` section of the configuration.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Settings {
    /// Days to fetch where there are none yet, in whole months.
    pub lookback_days: u32,
    pub openai: Account,
    pub anthropic: Account,
    pub litellm: Account,
}

/// Where a vendor's API is, and the key for costs.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Account {
    pub api_key: Reference,
    pub url: String,
}

/// Whose costs are asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Vendor {
    OpenAi,
    Anthropic,
    LiteLlm,
}

impl Vendor {
    pub(crate) fn format(self) -> Format {
        match self {
            Vendor::OpenAi => Format::OpenAi,
            Vendor::Anthropic => Format::Anthropic,
            Vendor::LiteLlm => Format::LiteLlm,
        }
    }

    /// What it is called, in the configuration and as a data source.
    pub(crate) fn name(self) -> &'static str {
        self.format().data_source()
    }

    fn account(self, settings: &Settings) -> &Account {
        match self {
            Vendor::OpenAi => &settings.openai,
            Vendor::Anthropic => &settings.anthropic,
            Vendor::LiteLlm => &settings.litellm,
        }
    }

    /// What a key must be allowed, for an error.
    fn key(self) -> &'static str {
        match self {
            Vendor::OpenAi => "it must be an admin key of the organization (`sk-admin-…`), with read access to usage",
            Vendor::Anthropic => "it must be an admin key of the organization (`sk-ant-admin…`)",
            Vendor::LiteLlm => "it must be a key of a proxy admin, or of an admin viewer",
        }
    }
}

/// A way to a vendor's API.
pub(crate) struct Api {
    vendor: Vendor,
    http: Http,
    url: String,
    key: Secret,
}

/// A row, by the names of the layout's columns.
pub(crate) type Row = Map<String, Value>;

/// Days that are asked for: from the first one until before the last one.
#[derive(Clone, Copy, Debug)]
struct Span {
    start: NaiveDate,
    end: NaiveDate,
}

impl Span {
    fn seconds(self) -> (i64, i64) {
        let seconds = |day: NaiveDate| day.and_time(NaiveTime::MIN).and_utc().timestamp();
        (seconds(self.start), seconds(self.end))
    }
}

impl Api {
    /// # Errors
    /// When the key cannot be read, or the address is none.
    pub(crate) fn new(vendor: Vendor, settings: &Settings) -> Result<Self> {
        let account = vendor.account(settings);
        check_address(&format!("vendors.{}.url", vendor.name()), &account.url)?;
        let key = account.api_key.read().map_err(|e| {
            e.context(format!("there is no key for {}", vendor.name())).hint(format!(
                "`vendors.{}.api_key` of the configuration says where it is; {}",
                vendor.name(),
                vendor.key()
            ))
        })?;
        Ok(Self { vendor, http: Http::new(ATTEMPTS, TIMEOUT)?, url: account.url.trim_end_matches('/').to_owned(), key })
    }

    /// All rows of a month, up to and including `today`.
    ///
    /// # Errors
    /// When the vendor does not answer, refuses the key, or answers something else than it documents.
    pub(crate) fn month(&self, month: NaiveDate, today: NaiveDate) -> Result<Vec<Row>> {
        let end = (first_of_month(month) + Months::new(1)).min(today + Days::new(1));
        let span = Span { start: first_of_month(month), end };
        match self.vendor {
            Vendor::OpenAi => openai::rows(self, span),
            Vendor::Anthropic => anthropic::rows(self, span),
            Vendor::LiteLlm => litellm::rows(self, span),
        }
    }

    fn get(&self, path: &str, query: &[(&str, String)]) -> Result<Value> {
        let name = self.vendor.name();
        let address = format!("{}{path}", self.url);
        let answer = self.http.get(&address, query, &[&self.key], |request| match self.vendor {
            Vendor::Anthropic => {
                request.header("x-api-key", self.key.expose()).header("anthropic-version", anthropic::VERSION)
            }
            _ => request.bearer_auth(self.key.expose()),
        });
        let answer = answer.map_err(|failure| {
            let error = failure.to_error(format!("{name} does not say what it charges"));
            if failure.kind == crate::web::Kind::Settings { error.hint(self.vendor.key()) } else { error }
        })?;
        serde_json::from_str(&answer.body).map_err(|e| {
            Error::remote(format!("{name} answers something that is not understood")).cause(format!("`{path}`: {e}"))
        })
    }

    /// The pages of a list, each asked for with the cursor that the one before names.
    fn pages(&self, path: &str, query: &[(&str, String)], mut take: impl FnMut(&Value) -> Result<()>) -> Result<()> {
        let mut page: Option<String> = None;
        for _ in 0..MOST_PAGES {
            let mut query = query.to_vec();
            query.extend(page.take().map(|page| ("page", page)));
            let answer = self.get(path, &query)?;
            let data = answer["data"].as_array().ok_or_else(|| self.odd(path, "there is no `data`"))?;
            data.iter().try_for_each(&mut take)?;
            if answer["has_more"] != Value::Bool(true) {
                return Ok(());
            }
            page = answer["next_page"].as_str().map(str::to_owned);
            if page.is_none() {
                return Err(self.odd(path, "there is more, and no `next_page`"));
            }
        }
        Err(self.odd(path, "it has no last page"))
    }

    /// Names by id, over all pages, each asked for with the last id of the one before as `after`.
    ///
    /// # Errors
    /// When the vendor does not answer. Who may read costs may not always read these: then there are none.
    fn names(&self, path: &str, query: &[(&str, String)], after: &str) -> Result<BTreeMap<String, String>> {
        let mut names = BTreeMap::new();
        let mut last: Option<String> = None;
        for _ in 0..MOST_PAGES {
            let mut query = query.to_vec();
            query.extend(last.take().map(|last| (after, last)));
            let answer = if_allowed(self.get(path, &query))?;
            let named = answer["data"].as_array().into_iter().flatten();
            names.extend(
                named.filter_map(|one| Some((one["id"].as_str()?.to_owned(), one["name"].as_str()?.to_owned()))),
            );
            last = answer["last_id"].as_str().filter(|_| answer["has_more"] == Value::Bool(true)).map(str::to_owned);
            if last.is_none() {
                break;
            }
        }
        Ok(names)
    }

    fn odd(&self, path: &str, what: &str) -> Error {
        Error::remote(format!("{} answers something that is not understood", self.vendor.name()))
            .cause(format!("`{path}`: {what}"))
            .hint("nothing of the month was changed; a newer version of this program may know the answer")
    }
}

/// What OpenAI and Anthropic are asked: the days of a span, by day and by some fields.
fn by_day(span: [(&'static str, String); 2], group_by: &[&str]) -> Vec<(&'static str, String)> {
    let more = [("bucket_width", "1d".to_owned()), ("limit", DAYS.to_string())];
    let groups = group_by.iter().map(|field| ("group_by[]", (*field).to_owned()));
    span.into_iter().chain(more).chain(groups).collect()
}

/// What a key may not read is not there. What fails in another way fails: else a busy hour would take tokens and names off a month that
/// has them.
///
/// # Errors
/// When the vendor did not answer.
fn if_allowed<T: Default>(answer: Result<T>) -> Result<T> {
    match answer {
        Err(error) if error.code() != Code::RemoteFailed => Ok(T::default()),
        answer => answer,
    }
}

/// The fields of an object that are there, without those that are null.
fn row(value: Value) -> Row {
    let Value::Object(object) = value else { return Row::new() };
    object.into_iter().filter(|(_, value)| !value.is_null()).collect()
}
