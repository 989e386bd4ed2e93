//! An answer as a model gets it: what it is of, a page of its list, no more bytes than fit, and the command that repeats it.

use serde_json::{Map, Number, Value, json};

use super::{MOST_ROWS, ROWS, Tool, text};
use crate::{
    error::{Error, Result},
    insights::{Question, frame::Frame},
    model::Metric,
    operations::{Entry, Session},
};

/// Bytes of an answer, in JSON and as text together.
const MOST_BYTES: usize = 20_000;
/// Sums of bills have errors of this size; a price of a request is above it.
const NOISE: f64 = 1e-9;
/// Elements of inner lists, tried one after the other until the answer fits.
const INNER: [usize; 5] = [25, 10, 5, 3, 1];
/// Characters of a text, likewise.
const CHARACTERS: [usize; 2] = [500, 100];

/// The fields that every answer of a tool has, and their types; those without one are texts, or null where they do not
/// apply, which each tool would have to say again.
const HEADER: [(&str, &str); 8] = [
    ("data_through", ""),
    ("settled_through", ""),
    ("source", ""),
    ("metric", ""),
    ("currency", ""),
    ("warnings", "array"),
    ("reproduce", "object"),
    ("truncated", "boolean"),
];
/// Where the next page begins, if there is one.
const NEXT: &str = "next_cursor";

/// An answer in two forms, each complete by itself: clients forward the one or the other.
pub struct Answered {
    /// As JSON.
    pub structured: Map<String, Value>,
    /// As text: lines, and tables whose cells are apart by tabs.
    pub text: String,
}

/// Which rows of a list.
#[derive(Clone, Copy)]
pub(super) struct Page {
    from: usize,
    rows: usize,
}

impl Page {
    /// # Errors
    /// When the limit or the cursor is none.
    pub(super) fn of(tool: &Tool, given: &Map<String, Value>) -> Result<Self> {
        let number = |name: &str| match given.get(name).filter(|value| !value.is_null() && !tool.rows.is_empty()) {
            None => Ok(None),
            Some(value) => {
                let number = match value {
                    Value::String(text) => text.trim().parse().ok(),
                    value => value
                        .as_f64()
                        .filter(|number| number.fract() == 0.0 && *number >= 0.0)
                        .map(|number| number as usize),
                };
                number.map(Some).ok_or_else(|| Error::usage(format!("`{name}` cannot be {value}")))
            }
        };
        let rows = number("limit")?.unwrap_or(ROWS);
        if !(1..=MOST_ROWS).contains(&rows) {
            return Err(Error::usage(format!("`limit` must be from 1 to {MOST_ROWS}")));
        }
        let from = number("cursor").map_err(|error| error.hint("take `next_cursor` of the page before"))?.unwrap_or(0);
        Ok(Self { from, rows })
    }

    /// Rows up to the end of the page.
    pub(super) fn end(self) -> usize {
        self.from.saturating_add(self.rows)
    }
}

/// The schema of the answers of a tool.
pub(super) fn schema(tool: &Tool, entry: &Entry) -> Map<String, Value> {
    let whole = (entry.output)();
    let mut properties = Map::new();
    for (name, json_type) in HEADER {
        properties.insert(name.into(), if json_type.is_empty() { json!({}) } else { json!({"type": json_type}) });
    }
    let own = whole.get("properties").and_then(Value::as_object).and_then(|own| own.get(tool.rows));
    if own.is_some() {
        properties.insert(NEXT.into(), json!({}));
        properties.insert(tool.rows.into(), json!({"type": "array"}));
    }
    let required: Vec<&str> = HEADER.iter().map(|(name, _)| *name).collect();
    json!({"type": "object", "properties": properties, "required": required}).as_object().cloned().unwrap_or_default()
}

/// Fields of every answer that a model does not need.
const HIDDEN: [&str; 3] = ["schema_version", "operation", "sources"];

/// Puts an answer into the form of a tool's.
///
/// # Errors
/// When it is no object, which cannot be.
pub(super) fn answered(
    tool: &Tool,
    entry: &Entry,
    answer: Value,
    page: Page,
    command: String,
    session: &Session,
) -> Result<Answered> {
    let Value::Object(mut body) = brief(answer, tool, "") else { return Err(Error::bug("an answer is no object")) };
    let mut header = Map::new();
    let days = days(&body, session);
    let source = body
        .get("sources")
        .and_then(Value::as_array)
        .map(|names| names.iter().filter_map(Value::as_str).collect::<Vec<_>>().join(", "));
    header.insert("data_through".into(), days.0);
    header.insert("settled_through".into(), days.1);
    header.insert("source".into(), source.filter(|names| !names.is_empty()).into());
    for name in ["metric", "currency"] {
        header.insert(name.into(), body.shift_remove(name).unwrap_or_default());
    }
    header.insert("warnings".into(), body.shift_remove("warnings").unwrap_or_else(|| json!([])));
    header.insert("reproduce".into(), json!({"cli": command}));
    HIDDEN.iter().chain(&["data_through", "settled_through"]).for_each(|name| _ = body.shift_remove(*name));
    let mut more = body.shift_remove("truncated").and_then(|more| more.as_bool()).unwrap_or(false);
    let rows = match body.get_mut(tool.rows) {
        Some(Value::Array(rows)) => std::mem::take(rows),
        _ => Vec::new(),
    };
    // A list that was read to the end of the page says how many there are.
    let count = body.get("count").and_then(Value::as_u64).filter(|_| tool.pages.is_some());
    more |= count.is_some_and(|count| count > rows.len() as u64);
    let fitted = Fitted { title: entry.title, tool, header, body, rows, more, page };
    Ok(fitted.within(MOST_BYTES))
}

/// The newest day and the newest settled one: the answer's, else the database's.
fn days(body: &Map<String, Value>, session: &Session) -> (Value, Value) {
    let of = |name: &str| body.get(name).cloned().unwrap_or_default();
    if body.contains_key("data_through") {
        return (of("data_through"), of("settled_through"));
    }
    let question = Question {
        source: None,
        metric: Metric::default(),
        filters: &[],
        as_of: session.today(),
        settle_days: session.config().anomaly.settle_days,
    };
    // An empty database has no days.
    match session.store().and_then(|store| Frame::new(&*store, &question)) {
        Ok(frame) => (json!(frame.as_of), json!(frame.settled_through)),
        Err(_) => (Value::Null, Value::Null),
    }
}

/// An answer that is made smaller until it fits.
struct Fitted<'a> {
    title: &'static str,
    tool: &'a Tool,
    header: Map<String, Value>,
    body: Map<String, Value>,
    /// The whole list that has pages.
    rows: Vec<Value>,
    /// Whether there are more rows than the operation gave.
    more: bool,
    page: Page,
}

impl Fitted<'_> {
    fn within(&self, most: usize) -> Answered {
        let all = self.rows.len();
        let from = self.page.from.min(all);
        let mut count = self.page.rows.min(all - from);
        let mut answered = self.made(from, count, None, None);
        let is_too_long = |answered: &Answered| size(answered) > most;
        // Fewer rows first, for there is a next page; then shorter lists in what is left.
        while is_too_long(&answered) && count > 5 {
            count = (count / 2).max(5);
            answered = self.made(from, count, None, None);
        }
        for inner in INNER {
            if is_too_long(&answered) {
                answered = self.made(from, count, Some(inner), None);
            }
        }
        while is_too_long(&answered) && count > 1 {
            count /= 2;
            answered = self.made(from, count, Some(1), None);
        }
        for characters in CHARACTERS {
            if is_too_long(&answered) {
                answered = self.made(from, count, Some(1), Some(characters));
            }
        }
        answered
    }

    fn made(&self, from: usize, count: usize, inner: Option<usize>, characters: Option<usize>) -> Answered {
        let mut left_out = Vec::new();
        let mut body = self.body.clone();
        if let Some(list) = body.get_mut(self.tool.rows).filter(|_| !self.tool.rows.is_empty()) {
            *list = self.rows[from..from + count].to_vec().into();
        }
        if !self.tool.beside.is_empty() {
            body.values_mut().for_each(|value| self.slice(value, from, count));
        }
        for (name, value) in &mut body {
            // The list itself has pages; what is in its rows may be cut.
            let within: &mut [Value] = match value {
                Value::Array(rows) if *name == self.tool.rows => rows,
                value => std::slice::from_mut(value),
            };
            within.iter_mut().for_each(|value| cut(value, name, inner, characters, &mut left_out));
        }
        left_out.sort();
        left_out.dedup();
        let has_next = from + count < self.rows.len() || self.more;
        let mut structured = self.header.clone();
        structured.insert("truncated".into(), (has_next || !left_out.is_empty()).into());
        if has_next {
            structured.insert(NEXT.into(), (from + count).to_string().into());
        }
        if !left_out.is_empty() {
            structured.insert("left_out".into(), json!(left_out));
        }
        structured.extend(body);
        let text = text::of(self.title, &structured);
        Answered { structured, text }
    }
}

impl Fitted<'_> {
    /// Cuts the lists beside the rows to the same page.
    fn slice(&self, value: &mut Value, from: usize, count: usize) {
        match value {
            Value::Array(values) => values.iter_mut().for_each(|value| self.slice(value, from, count)),
            Value::Object(fields) => {
                for (name, value) in fields {
                    match value {
                        Value::Array(cells) if *name == self.tool.beside && cells.len() == self.rows.len() => {
                            *cells = cells[from..from + count].to_vec();
                        }
                        value => self.slice(value, from, count),
                    }
                }
            }
            _ => {}
        }
    }
}

fn size(answered: &Answered) -> usize {
    serde_json::to_string(&answered.structured).map_or(usize::MAX, |json| json.len()) + answered.text.len()
}

/// Cuts the lists and texts of a value, and names the lists.
fn cut(value: &mut Value, name: &str, inner: Option<usize>, characters: Option<usize>, left_out: &mut Vec<String>) {
    match value {
        Value::Array(values) => {
            if let Some(most) = inner.filter(|most| values.len() > *most) {
                left_out.push(format!("{name}: more than {most}"));
                values.truncate(most);
            }
            values.iter_mut().for_each(|value| cut(value, name, inner, characters, left_out));
        }
        Value::Object(fields) => {
            fields.iter_mut().for_each(|(name, value)| cut(value, name, inner, characters, left_out));
        }
        Value::String(text) => {
            if let Some(most) = characters.filter(|most| text.chars().count() > *most) {
                left_out.push(format!("{name}: texts longer than {most} characters"));
                *text = text.chars().take(most).chain(['…']).collect();
            }
        }
        _ => {}
    }
}

/// The same without what is for charts, with sentences instead of facts that have one, and with numbers as long as they
/// mean something.
fn brief(value: Value, tool: &Tool, within: &str) -> Value {
    match value {
        Value::Object(mut fields) => match fields.get("text") {
            Some(Value::String(_)) if fields.contains_key("code") => fields.shift_remove("text").unwrap_or_default(),
            _ => {
                let is_left_out = |name: &str| {
                    tool.left_out.iter().any(|path| match path.split_once('.') {
                        Some((list, field)) => list == within && field == name,
                        None => *path == name,
                    })
                };
                let kept = fields.into_iter().filter(|(name, _)| !is_left_out(name));
                kept.map(|(name, value)| {
                    let value = brief(value, tool, &name);
                    (name, value)
                })
                .collect()
            }
        },
        Value::Array(values) => values.into_iter().map(|value| brief(value, tool, within)).collect(),
        Value::Number(number) => rounded(&number),
        value => value,
    }
}

/// To a hundredth of a cent; what is smaller than a dollar, to six digits; what is left of sums that cancel out, not at all.
fn rounded(number: &Number) -> Value {
    let Some(value) = number.as_f64().filter(|_| number.is_f64()) else { return number.clone().into() };
    if value.abs() < NOISE {
        return json!(0);
    }
    let decimals = if value.abs() >= 1.0 { 4 } else { (5.0 - value.abs().log10().floor()).min(300.0) as usize };
    let text = format!("{value:.decimals$}");
    let whole = text.parse::<f64>().unwrap_or(value);
    // 12.0 is 12: a model reads the one as it reads the other.
    if whole.fract() == 0.0 && whole.abs() < 1e15 { json!(whole as i64) } else { json!(whole) }
}
