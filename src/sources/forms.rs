//! Which forms the dates and numbers of a file have. Usual bills are loaded without asking: only when a load
//! fails on a value, or a day is beyond belief, is the file asked here. The answer is either the same file with
//! its odd columns rewritten in SQL, or an error that names row, column and value.
//! It writes questions in SQL and never has a database of its own.

use chrono::NaiveDate;

use super::{
    columns::{Kind, Role, Value, coalesce},
    dates::{self, DateOrder},
    numbers::{self, Decimal},
};
use crate::{
    error::{Error, Result},
    inert::one_line,
    model::cut,
};

/// Answers a query over files, all values as text.
pub(crate) type Ask<'a> = dyn Fn(&str) -> Result<Vec<Vec<Option<String>>>> + 'a;

/// What is known beside the file.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Known {
    /// No day may be more than two years later.
    pub today: NaiveDate,
    /// Given by the user where the file cannot decide.
    pub date_order: Option<DateOrder>,
    /// Of the format, where the file decides nothing.
    pub usual_date_order: Option<DateOrder>,
    pub decimal: Option<Decimal>,
}

/// The values of one file.
#[derive(Clone, Copy)]
pub(crate) struct File<'a> {
    /// The FROM item that reads it.
    pub from: &'a str,
    pub values: &'a [Value],
    /// Lines before the first row.
    pub header_lines: u32,
    /// Whether something says which currency amounts are in.
    pub says_currency: bool,
}

/// The FROM item that reads `file` with the forms of its values made plain; `None` when they are plain already.
///
/// # Errors
/// When a value is no date or number, a day is out of range, or the file does not decide between two readings.
pub(crate) fn settled(file: File, known: Known, ask: &Ask) -> Result<Option<String>> {
    let survey = Survey { file, known, ask };
    let (odd_dates, odd_numbers) = survey.odd()?;
    let mut plain = Vec::new();
    if odd_dates {
        survey.dates_out_of_range()?;
        let order = survey.order()?;
        let texts = survey.of(|value| value.role.is_date() && value.kind != Kind::Time);
        plain.extend(texts.map(|value| (value, dates::iso_text(&value.text, Some(order)))));
    }
    if odd_numbers {
        survey.numbers_beyond()?;
        plain.extend(survey.plain_numbers()?);
    }
    if plain.is_empty() {
        return Ok(None);
    }
    let columns: Vec<String> = plain.iter().map(|(value, sql)| format!("{sql} AS {}", value.physical)).collect();
    Ok(Some(format!("(SELECT * REPLACE ({}) FROM {})", columns.join(", "), file.from)))
}

struct Survey<'a> {
    file: File<'a>,
    known: Known,
    ask: &'a Ask<'a>,
}

/// A value that an error is about.
struct Found {
    row: String,
    value: String,
    more: Vec<Option<String>>,
}

impl<'a> Survey<'a> {
    fn of(&self, wanted: impl Fn(&Value) -> bool) -> impl Iterator<Item = &'a Value> {
        self.file.values.iter().filter(move |value| wanted(value))
    }

    /// Whether any date, and any number, is not as DuckDB reads it, out of range or missing.
    fn odd(&self) -> Result<(bool, bool)> {
        let counting: Vec<&Value> = self.of(|value| value.role.counts()).collect();
        let mut counts: Vec<String> = counting
            .iter()
            .map(|value| {
                let plain = if value.role.is_date() { self.is_plain_date(value) } else { is_plain_number(value) };
                format!("count_if({} IS NOT NULL AND NOT COALESCE({plain}, false))", value.text)
            })
            .collect();
        let start = coalesce(self.of(|value| value.role == Role::Start).map(|value| value.text.clone()));
        counts.extend(start.map(|start| format!("count_if({start} IS NULL)")));
        let answer = self.counts(&counts)?;
        let of = |date: bool| counting.iter().zip(&answer).any(|(value, odd)| value.role.is_date() == date && *odd > 0);
        if answer.get(counting.len()).is_some_and(|blank| *blank > 0) {
            self.refuse_blank_date()?;
        }
        Ok((of(true), of(false)))
    }

    fn is_plain_date(&self, value: &Value) -> String {
        let instant = match value.kind {
            Kind::Time => format!("CAST({} AS TIMESTAMP)", value.physical),
            _ => format!("CAST(TRY_CAST({} AS TIMESTAMPTZ) AS TIMESTAMP)", value.text),
        };
        dates::in_range(&instant, "false", self.known.today)
    }

    fn counts(&self, expressions: &[String]) -> Result<Vec<u64>> {
        if expressions.is_empty() {
            return Ok(Vec::new());
        }
        let rows = (self.ask)(&format!("SELECT {} FROM {}", expressions.join(", "), self.file.from))?;
        let row = rows.into_iter().next().unwrap_or_default();
        Ok(row.into_iter().map(|count| count.and_then(|count| count.parse().ok()).unwrap_or(0)).collect())
    }

    /// The first row that fits `condition`, with the text of `value` and `more`.
    fn first(&self, value: &str, condition: &str, more: &[String]) -> Result<Option<Found>> {
        let columns: String = more.iter().enumerate().map(|(index, sql)| format!(", {sql} AS more{index}")).collect();
        let rows = (self.ask)(&format!(
            "SELECT * EXCLUDE (fits) FROM (SELECT row_number() OVER () + {} AS row, {value} AS value, \
             COALESCE({condition}, false) AS fits{columns} FROM {}) WHERE fits LIMIT 1",
            self.file.header_lines, self.file.from
        ))?;
        Ok(rows.into_iter().next().map(|row| {
            let mut cells = row.into_iter();
            let mut text = || cells.next().flatten().unwrap_or_default();
            let (row, value) = (text(), text());
            Found { row, value: cut(&one_line(&value), 40), more: cells.collect() }
        }))
    }

    fn refuse_blank_date(&self) -> Result<()> {
        let start: Vec<&Value> = self.of(|value| value.role == Role::Start).collect();
        let Some(text) = coalesce(start.iter().map(|value| value.text.clone())) else { return Ok(()) };
        let Some(found) = self.first("''", &format!("{text} IS NULL"), &[])? else { return Ok(()) };
        let name = start.first().map_or("", |value| value.name.as_str());
        Err(Error::input(format!("row {}, column `{name}`: there is no date", found.row))
            .hint("every line of a bill needs one; leave out lines of totals and notes"))
    }

    /// Columns that are times already can only be out of range.
    fn dates_out_of_range(&self) -> Result<()> {
        for value in self.of(|value| value.role.is_date() && value.role.counts() && value.kind == Kind::Time) {
            if let Some(found) = self.first(&value.text, &format!("NOT {}", self.is_plain_date(value)), &[])? {
                return Err(self.out_of_range(value, &found));
            }
        }
        Ok(())
    }

    fn out_of_range(&self, value: &Value, found: &Found) -> Error {
        let today = self.known.today;
        Error::input(format!(
            "row {}, column `{}`: `{}` is before {} or more than two years after {today}",
            found.row,
            value.name,
            found.value,
            dates::FIRST_DAY
        ))
        .hint("mend the file, or fetch it again")
    }

    /// The one order in which all dates of the file are dates.
    fn order(&self) -> Result<DateOrder> {
        let values: Vec<&Value> = self.of(|value| value.role.is_date() && value.kind != Kind::Time).collect();
        let orders = self.known.date_order.map_or(DateOrder::ALL.to_vec(), |order| vec![order]);
        let readings: Vec<Reading> =
            orders.iter().map(|order| Reading::new(*order, &values, self.known.today)).collect();
        let mut asked = Vec::new();
        for reading in &readings {
            asked.extend(reading.instants.iter().map(|date| format!("count_if({})", date.unread)));
            asked.push(reading.contradictions(&values));
        }
        let answers = self.counts(&asked)?;
        let mut left: Vec<(&Reading, Evidence)> = readings
            .iter()
            .zip(answers.chunks(values.len() + 1))
            .map(|(reading, counts)| (reading, Evidence::new(&values, counts)))
            .collect();
        let least = left.iter().map(|(_, evidence)| evidence.unread).min().unwrap_or(0);
        left.retain(|(_, evidence)| evidence.unread == least);
        if least > 0 {
            return Err(self.no_date(&values, &left)?);
        }
        let least = left.iter().map(|(_, evidence)| evidence.unread_ends).min().unwrap_or(0);
        left.retain(|(_, evidence)| evidence.unread_ends == least);
        if left.iter().any(|(_, evidence)| evidence.contradictions == 0) {
            left.retain(|(_, evidence)| evidence.contradictions == 0);
        }
        let left: Vec<&Reading> = left.into_iter().map(|(reading, _)| reading).collect();
        if let Some(usual) = left.iter().find(|reading| Some(reading.order) == self.known.usual_date_order) {
            return Ok(usual.order);
        }
        for (first, second) in left.iter().flat_map(|first| left.iter().map(move |second| (*first, *second))) {
            if first.order != second.order
                && let Some(error) = self.undecided(&values, first, second)?
            {
                return Err(error);
            }
        }
        left.first().map(|reading| reading.order).ok_or_else(|| Error::bug("no order of dates is left"))
    }

    /// The first date that the nearest readings do not make a day of.
    fn no_date(&self, values: &[&Value], left: &[(&Reading, Evidence)]) -> Result<Error> {
        for (place, value) in values.iter().enumerate().filter(|(_, value)| value.role.counts()) {
            for (reading, _) in left {
                let date = &reading.instants[place];
                let Some(found) = self.first(&value.text, &date.unread, std::slice::from_ref(&date.sql))? else {
                    continue;
                };
                if found.more.first().is_some_and(Option::is_some) {
                    return Ok(self.out_of_range(value, &found));
                }
                let error = Error::input(format!(
                    "row {}, column `{}`: `{}` is not a date or time",
                    found.row, value.name, found.value
                ))
                .hint(dates::ACCEPTED);
                let is_epoch = (9..=13).contains(&found.value.len()) && found.value.bytes().all(|b| b.is_ascii_digit());
                return Ok(if is_epoch {
                    error.hint("seconds since 1970 are not read; write them as dates")
                } else {
                    error
                });
            }
        }
        Ok(Error::input("a date cannot be read").hint(dates::ACCEPTED))
    }

    /// An error where two readings that are left give another day for any date.
    fn undecided(&self, values: &[&Value], first: &Reading, second: &Reading) -> Result<Option<Error>> {
        for (place, value) in values.iter().enumerate().filter(|(_, value)| value.role.counts()) {
            let (one, other) = (&first.instants[place].sql, &second.instants[place].sql);
            let days = [one, other].map(|sql| format!("CAST({sql} AS DATE)"));
            let found = self.first(&value.text, &format!("{one} IS DISTINCT FROM {other}"), &days)?;
            if let Some(found) = found {
                let day = |index: usize| found.more.get(index).cloned().flatten().unwrap_or_default();
                return Ok(Some(
                    Error::input(format!(
                        "row {}, column `{}`: `{}` may be {} or {}, and nothing in the file decides",
                        found.row,
                        value.name,
                        found.value,
                        day(0),
                        day(1)
                    ))
                    .hint(format!(
                        "say which with `--date-order {}` or `--date-order {}`",
                        first.order.word(),
                        second.order.word()
                    )),
                ));
            }
        }
        Ok(None)
    }

    /// Columns that are numbers already can only be infinite, or too large.
    fn numbers_beyond(&self) -> Result<()> {
        for value in self.of(|value| !value.role.is_date() && value.kind != Kind::Text) {
            let condition = format!("{} IS NOT NULL AND NOT COALESCE({}, false)", value.text, is_plain_number(value));
            if let Some(found) = self.first(&value.text, &condition, &[])? {
                return Err(no_number(value, &found));
            }
        }
        Ok(())
    }

    /// The number columns and SQL of their plain digits.
    fn plain_numbers(&self) -> Result<Vec<(&'a Value, String)>> {
        let values: Vec<&Value> = self.of(|value| !value.role.is_date() && value.kind == Kind::Text).collect();
        let mut asked = Vec::new();
        for value in &values {
            let bare = numbers::bare_text(&value.text);
            let count = |condition: String| format!("count_if(COALESCE({condition}, false))");
            for decimal in [Decimal::Point, Decimal::Comma] {
                asked.push(count(format!("{bare} <> '' AND NOT {}", numbers::is_number(&bare, decimal))));
                asked.push(count(numbers::shows(&bare, decimal)));
            }
            asked.push(count(format!("contains({bare}, ',')")));
        }
        let counts = self.counts(&asked)?;
        let columns: Vec<Separators> = counts.chunks(5).map(Separators::new).collect();
        // What other columns show decides for those that show nothing.
        let shown: Vec<Decimal> = columns.iter().filter_map(|column| column.shown()).collect();
        let by_others = shown.first().filter(|first| shown.iter().all(|decimal| decimal == *first)).copied();
        let mut plain = Vec::new();
        for (value, column) in values.iter().zip(&columns) {
            let decimal = match (self.known.decimal, column.shown()) {
                (Some(given), _) if column.fits(given) => given,
                (_, Some(shown)) => shown,
                (_, None) => match by_others {
                    Some(by_others) => by_others,
                    None if column.commas == 0 => Decimal::Point,
                    None => return Err(self.undecided_number(value)?),
                },
            };
            let bare = numbers::bare_text(&value.text);
            let digits = numbers::plain_text(&bare, decimal);
            let number = format!("TRY_CAST(nullif({digits}, '') AS DOUBLE)");
            let bad = format!(
                "{bare} <> '' AND NOT COALESCE({} AND isfinite({number}) AND abs({number}) < {}, false)",
                numbers::is_number(&bare, decimal),
                numbers::LIMIT
            );
            if let Some(found) = self.first(&value.text, &bad, &[])? {
                return Err(no_number(value, &found));
            }
            if value.role == Role::Money && !self.file.says_currency {
                self.refuse_other_currency(value)?;
            }
            plain.push((*value, digits));
        }
        Ok(plain)
    }

    fn undecided_number(&self, value: &Value) -> Result<Error> {
        let bare = numbers::bare_text(&value.text);
        let found = self.first(&value.text, &format!("contains({bare}, ',')"), &[])?;
        let (row, text) = found.map_or_else(Default::default, |found| (found.row, found.value));
        Ok(Error::input(format!(
            "row {row}, column `{}`: the comma of `{text}` may be before thousands or before decimals, and no other number of the file decides",
            value.name
        ))
        .hint("say which with `--decimal point` (1,234 is a thousand and more) or `--decimal comma` (1,234 is little more than one)"))
    }

    /// Euros must not be taken for dollars because no column says that they are euros.
    fn refuse_other_currency(&self, value: &Value) -> Result<()> {
        let currency = numbers::currency_in(&value.text);
        let other = format!("{currency} NOT IN ('', '$', 'US$', 'USD')");
        let Some(found) = self.first(&value.text, &other, &[currency])? else { return Ok(()) };
        let sign = found.more.into_iter().next().flatten().unwrap_or_default();
        let code = match sign.as_str() {
            "€" => "EUR",
            "£" => "GBP",
            code if code.len() == 3 && code.is_ascii() => code,
            _ => "EUR",
        };
        Err(Error::input(format!(
            "row {}, column `{}`: `{}` is not in US dollars, and no column says the currency",
            found.row, value.name, found.value
        ))
        .hint(format!("say it with `--map currency:={code}`, or name its column with `--map currency=COLUMN`")))
    }
}

/// The text itself where it is a number as DuckDB reads it, finite and not too large for sums.
fn is_plain_number(value: &Value) -> String {
    let number = match value.kind {
        Kind::Number => format!("CAST({} AS DOUBLE)", value.physical),
        _ => format!("TRY_CAST({} AS DOUBLE)", value.text),
    };
    format!("(isfinite({number}) AND abs({number}) < {})", numbers::LIMIT)
}

fn no_number(value: &Value, found: &Found) -> Error {
    let lower = found.value.to_lowercase();
    let digits = lower.bytes().filter(u8::is_ascii_digit).count();
    let why = if lower.trim_start_matches(['-', '+']).starts_with("inf") {
        "is not a finite number"
    } else if digits > 26 || found.value.parse::<f64>().is_ok_and(|number| number.abs() >= 1e26) {
        "has more than 26 digits before its decimals"
    } else {
        "is not a number"
    };
    let error = Error::input(format!("row {}, column `{}`: `{}` {why}", found.row, value.name, found.value));
    if why == "is not a number" {
        error.hint(numbers::ACCEPTED)
    } else {
        error.hint("mend the file, or fetch it again")
    }
}

/// The dates of a file, read in one order.
struct Reading {
    order: DateOrder,
    instants: Vec<Instant>,
}

struct Instant {
    /// NULL where the text is no date.
    sql: String,
    /// Whether there is a text that is no date in range.
    unread: String,
}

impl Reading {
    fn new(order: DateOrder, values: &[&Value], today: NaiveDate) -> Self {
        let instant = |value: &&Value| {
            let sql = format!("({})", dates::instant(&dates::iso_text(&value.text, Some(order))));
            let read = match value.role.counts() {
                true => dates::in_range(&sql, &dates::has_short_year(&value.text), today),
                // Terms end in years to come.
                false => format!("{sql} IS NOT NULL"),
            };
            Instant { unread: format!("{} IS NOT NULL AND NOT COALESCE({read}, false)", value.text), sql }
        };
        Self { order, instants: values.iter().map(instant).collect() }
    }

    /// The number of rows that charge or are billed backwards: billing periods are whole months, and a charge
    /// ends after it starts, within its billing period.
    fn contradictions(&self, values: &[&Value]) -> String {
        let of = |role: Role| {
            let place = values.iter().position(|value| value.role == role)?;
            Some(self.instants[place].sql.as_str())
        };
        let (start, end) = (of(Role::Start), of(Role::End));
        let (period_start, period_end) = (of(Role::PeriodStart), of(Role::PeriodEnd));
        let pair = |first: Option<&str>, relation: &str, second: Option<&str>| {
            Some(format!("{} {relation} {}", first?, second?))
        };
        let first_of_month = |period: Option<&str>| Some(format!("day({}) <> 1", period?));
        let conditions = [
            pair(start, ">=", end),
            pair(start, "<", period_start),
            pair(start, ">=", period_end),
            first_of_month(period_start),
            first_of_month(period_end),
        ];
        let conditions: Vec<String> =
            conditions.into_iter().flatten().map(|condition| format!("COALESCE({condition}, false)")).collect();
        if conditions.is_empty() { "0".into() } else { format!("count_if({})", conditions.join(" OR ")) }
    }
}

/// What speaks against a reading, in rows.
struct Evidence {
    unread: u64,
    unread_ends: u64,
    contradictions: u64,
}

impl Evidence {
    fn new(values: &[&Value], counts: &[u64]) -> Self {
        let of = |counts_for: bool| {
            let own = values.iter().zip(counts).filter(|(value, _)| value.role.counts() == counts_for);
            own.map(|(_, count)| *count).sum()
        };
        Self {
            unread: of(true),
            unread_ends: of(false),
            contradictions: counts.get(values.len()).copied().unwrap_or(0),
        }
    }
}

/// What the numbers of a column show of their decimal sign, in values.
struct Separators {
    not_by_point: u64,
    show_point: u64,
    not_by_comma: u64,
    show_comma: u64,
    commas: u64,
}

impl Separators {
    fn new(counts: &[u64]) -> Self {
        let at = |index: usize| counts.get(index).copied().unwrap_or(0);
        Self { not_by_point: at(0), show_point: at(1), not_by_comma: at(2), show_comma: at(3), commas: at(4) }
    }

    fn fits(&self, decimal: Decimal) -> bool {
        match decimal {
            Decimal::Point => self.not_by_point == 0,
            Decimal::Comma => self.not_by_comma == 0,
        }
    }

    /// The decimal sign that most values can only have.
    fn shown(&self) -> Option<Decimal> {
        match (self.show_point, self.show_comma) {
            (0, 0) => None,
            (point, comma) if point >= comma => Some(Decimal::Point),
            _ => Some(Decimal::Comma),
        }
    }
}
