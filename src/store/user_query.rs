//! The user's own SQL, kept from doing harm: one SELECT, on a database opened read-only and cut off from
//! files and network, bounded in rows and time. What a statement does within one function call cannot be stopped from
//! here, nor what DuckDB's memory limit does not count: [`super::apart`] runs it where it can be.

use std::{
    sync::mpsc::{self, RecvTimeoutError},
    thread,
    time::Duration,
};

use duckdb::types::Value;
use serde_json::{Number, Value as Json};

use super::{Access, Store, tidy, without_advice};
use crate::{
    error::{Error, Result},
    model::Stop,
};

/// The answer to a query.
#[derive(Debug, Default)]
pub(crate) struct Table {
    pub columns: Vec<String>,
    pub rows: Vec<Vec<Json>>,
    /// Whether there were more rows than the limit.
    pub truncated: bool,
}

/// A statement, and what it may take.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Query<'a> {
    pub sql: &'a str,
    /// Rows at most.
    pub rows: usize,
    pub time: Duration,
    /// Ends it before.
    pub stop: Option<&'a Stop>,
}

/// An answer on its way: the names of the columns, the rows, and whether there were more.
pub(super) enum Part {
    Columns(Vec<String>),
    Row(Vec<Json>),
    Truncated,
}

impl Table {
    pub(super) fn add(&mut self, part: Part) {
        match part {
            Part::Columns(columns) => self.columns = columns,
            Part::Row(row) => self.rows.push(row),
            Part::Truncated => self.truncated = true,
        }
    }
}

/// How often a statement that is late is told so: it does not notice before it has begun.
const REMINDER: Duration = Duration::from_millis(20);

impl Store {
    /// Runs one SELECT in this process.
    ///
    /// # Errors
    /// When it is not a single SELECT, fails, or takes too much time or memory, or the database is open for writing.
    pub(crate) fn select(&self, query: &Query) -> Result<Table> {
        let mut table = Table::default();
        self.stream(query, &mut |part| table.add(part))?;
        Ok(table)
    }

    /// The same part by part.
    pub(super) fn stream(&self, query: &Query, take: &mut dyn FnMut(Part)) -> Result<()> {
        if self.access != Access::ReadOnly {
            return Err(Error::bug("a user's statement would run on a database that is open for writing"));
        }
        let sql = self.single_select(query.sql)?;
        let (done, waiting) = mpsc::channel::<()>();
        let interrupt = self.connection.interrupt_handle();
        let time = query.time;
        let timer = thread::spawn(move || {
            let mut is_late = false;
            let mut wait = time;
            while waiting.recv_timeout(wait) == Err(RecvTimeoutError::Timeout) {
                interrupt.interrupt();
                (is_late, wait) = (true, REMINDER);
            }
            is_late
        });
        let read = self.read(&sql, query.rows, take);
        drop(done);
        let is_late = timer.join().unwrap_or(false);
        read.map_err(|e| {
            let text = tidy(&e);
            if query.stop.is_some_and(Stop::is_given) {
                stopped()
            } else if is_late {
                too_slow(time)
            } else if is_of_memory(&text) {
                too_big(&self.memory_limit.to_string()).cause(text)
            } else {
                Error::input("the query failed").cause(text)
            }
        })
    }

    /// DuckDB's own parser says what the text is: it serialises SELECT statements and nothing else. Returns
    /// the statement without the semicolons around it.
    fn single_select(&self, sql: &str) -> Result<String> {
        let refused = |cause: &str| {
            Error::usage("only one SELECT statement is allowed").cause(cause).hint(
                "the tables are cost_line_items, daily_cost_summary, ingestion_log and accounts: `DESCRIBE cost_line_items`",
            )
        };
        let own = without_separators(sql);
        // What the parser makes of it may be nested deeper than readers of JSON go, so DuckDB reads it.
        let question = "SELECT parsed->>'$.error_type', parsed->>'$.error_message', json_array_length(parsed, '$.statements'), \
                        parsed = json_serialize_sql(?::VARCHAR) FROM (SELECT json_serialize_sql(?::VARCHAR) AS parsed)";
        let answer = self
            .connection
            .query_row(question, [own.as_str(), sql], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?)));
        let (kind, message, count, is_same): (Option<String>, Option<String>, Option<u64>, bool) =
            answer.map_err(|e| refused(&tidy(&e)))?;
        match (kind.as_deref(), count) {
            (Some("parser"), _) => {
                Err(Error::usage("the query cannot be parsed").cause(without_advice(&message.unwrap_or_default())))
            }
            (Some(_), _) => Err(refused("this is a statement of another kind")),
            (None, Some(1)) if is_same => Ok(own),
            (None, Some(1)) => Err(refused("there are semicolons in it")),
            (None, count) => Err(refused(&format!("there are {}", count.unwrap_or(0)))),
        }
    }

    /// Reads a statement in types that JSON has: numbers and booleans as they are, nested values as JSON,
    /// everything else as DuckDB writes it.
    fn read(&self, sql: &str, limit: usize, take: &mut dyn FnMut(Part)) -> duckdb::Result<()> {
        let described = self.describe(sql)?;
        let aliases: Vec<String> = (0..described.len()).map(|index| format!("c{index}")).collect();
        let columns = described.iter().zip(&aliases).map(|((_, sql_type), alias)| cast(sql_type, alias));
        // A statement may end in a comment.
        let query = format!(
            "SELECT {} FROM (\n{sql}\n) AS answer({}) LIMIT {}",
            columns.collect::<Vec<_>>().join(", "),
            aliases.join(", "),
            limit.saturating_add(1)
        );
        let mut statement = self.connection.prepare(&query)?;
        let mut rows = statement.query([])?;
        take(Part::Columns(unique(described.iter().map(|(name, _)| name))));
        let mut count = 0;
        while let Some(row) = rows.next()? {
            if count == limit {
                take(Part::Truncated);
                break;
            }
            count += 1;
            let cells =
                described.iter().enumerate().map(|(index, (_, sql_type))| Ok(json_of(row.get(index)?, sql_type)));
            take(Part::Row(cells.collect::<duckdb::Result<_>>()?));
        }
        Ok(())
    }

    /// The names and types of the columns of a statement.
    fn describe(&self, sql: &str) -> duckdb::Result<Vec<(String, String)>> {
        let mut statement =
            self.connection.prepare(&format!("SELECT column_name, column_type FROM (DESCRIBE {sql}\n)"))?;
        statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?.collect()
    }
}

pub(super) fn stopped() -> Error {
    Error::input("the query was stopped before it had an answer")
}

pub(super) fn too_slow(time: Duration) -> Error {
    Error::input(format!("the query took longer than {} s", time.as_secs_f64())).hint("allow more with `--timeout`")
}

pub(super) fn too_big(memory_limit: &str) -> Error {
    Error::input(format!("the query needed more than {memory_limit} of memory"))
        .hint("allow more with `--memory-limit`, or ask for less at once")
}

/// Whether an error says that memory was not to be had.
pub(super) fn is_of_memory(text: &str) -> bool {
    let text = text.to_lowercase();
    let words = ["out of memory", "bad_alloc", "could not allocate", "failed to allocate", "memory allocation of"];
    words.iter().any(|word| text.contains(word))
}

/// A text with its semicolons outside of quotes and comments made blank.
fn without_separators(sql: &str) -> String {
    let mut bytes = sql.as_bytes().to_vec();
    let is_word = |byte: &u8| byte.is_ascii_alphanumeric() || *byte == b'_' || !byte.is_ascii();
    let mut place = 0;
    while place < bytes.len() {
        let rest = &bytes[place..];
        let before = &bytes[..place];
        let length = match rest {
            [b'-', b'-', ..] => rest.iter().position(|byte| *byte == b'\n').unwrap_or(rest.len()),
            [b'/', b'*', ..] => comment(rest),
            [b'\'', ..] => {
                // E'…' alone has escapes.
                let has_escapes =
                    matches!(before, [.., b'e' | b'E']) && !before.iter().nth_back(1).is_some_and(is_word);
                text(rest, has_escapes)
            }
            [b'"', ..] => text(rest, false),
            [b'$', ..] if !before.last().is_some_and(is_word) => dollar_quoted(rest),
            _ => 1,
        };
        if rest[0] == b';' {
            bytes[place] = b' ';
        }
        place += length.max(1);
    }
    String::from_utf8(bytes).unwrap_or_else(|_| sql.to_owned())
}

/// The length of a comment, which may hold others.
fn comment(rest: &[u8]) -> usize {
    let mut depth = 0_usize;
    let mut place = 0;
    while place < rest.len() {
        match &rest[place..] {
            [b'/', b'*', ..] => (depth, place) = (depth + 1, place + 2),
            [b'*', b'/', ..] => (depth, place) = (depth - 1, place + 2),
            _ => place += 1,
        }
        if depth == 0 {
            break;
        }
    }
    place
}

/// The length of a text up to the quote that it begins with; a doubled one begins another text at once.
fn text(rest: &[u8], has_escapes: bool) -> usize {
    let mut place = 1;
    while place < rest.len() && rest[place] != rest[0] {
        place += if has_escapes && rest[place] == b'\\' { 2 } else { 1 };
    }
    place + 1
}

/// The length of `$tag$…$tag$`, or of the dollar alone.
fn dollar_quoted(rest: &[u8]) -> usize {
    let Some(end) = rest[1..].iter().position(|byte| *byte == b'$').map(|end| end + 2) else { return 1 };
    let (tag, body) = rest.split_at(end);
    if !tag[1..end - 1].iter().all(|byte| byte.is_ascii_alphanumeric() || *byte == b'_' || !byte.is_ascii()) {
        return 1;
    }
    let close = body.windows(tag.len()).position(|window| window == tag);
    close.map_or(rest.len(), |close| end + close + tag.len())
}

fn is_integer(sql_type: &str) -> bool {
    matches!(
        sql_type,
        "TINYINT"
            | "SMALLINT"
            | "INTEGER"
            | "BIGINT"
            | "HUGEINT"
            | "UTINYINT"
            | "USMALLINT"
            | "UINTEGER"
            | "UBIGINT"
            | "UHUGEINT"
    )
}

/// Whether a decimal type fits a double, which has 15 exact digits; the longer ones stay text, too.
fn is_short_decimal(sql_type: &str) -> bool {
    let width = sql_type.strip_prefix("DECIMAL(").and_then(|rest| rest.split_once(','));
    width.and_then(|(width, _)| width.parse().ok()).is_some_and(|width: u32| width <= 15)
}

fn is_nested(sql_type: &str) -> bool {
    sql_type.ends_with(']')
        || ["STRUCT", "MAP", "JSON", "UNION", "VARIANT"].iter().any(|start| sql_type.starts_with(start))
}

fn cast(sql_type: &str, column: &str) -> String {
    match sql_type {
        "BOOLEAN" | "DOUBLE" | "VARCHAR" => column.to_owned(),
        "FLOAT" => format!("CAST({column} AS DOUBLE)"),
        nested if is_nested(nested) => format!("CAST(to_json({column}) AS VARCHAR)"),
        _ => format!("CAST({column} AS VARCHAR)"),
    }
}

fn json_of(value: Value, sql_type: &str) -> Json {
    match value {
        Value::Boolean(value) => value.into(),
        // JSON has no such numbers; nothing at all would be another answer.
        Value::Double(value) => Number::from_f64(value).map_or_else(|| value.to_string().into(), Json::Number),
        // Integers beyond 64 bits stay text: JSON readers would round them.
        Value::Text(text) if is_integer(sql_type) => text.parse::<i64>().map_or_else(|_| text.into(), Json::from),
        Value::Text(text) if is_short_decimal(sql_type) => {
            text.parse().ok().and_then(Number::from_f64).map_or_else(|| text.into(), Json::Number)
        }
        Value::Text(text) if is_nested(sql_type) => serde_json::from_str(&text).unwrap_or_else(|_| text.into()),
        Value::Text(text) => text.into(),
        _ => Json::Null,
    }
}

/// Column names that differ, as JSON needs them: the second `a` becomes `a_2`.
fn unique<'a>(names: impl Iterator<Item = &'a String>) -> Vec<String> {
    let mut all: Vec<String> = Vec::new();
    for name in names {
        let candidates = (2..).map(|number| format!("{name}_{number}"));
        let free = std::iter::once(name.clone()).chain(candidates).find(|candidate| !all.contains(candidate));
        all.extend(free);
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn semicolons_between_statements_are_blanked_and_no_others() {
        for (sql, expected) in [
            ("SELECT 1;", "SELECT 1 "),
            ("; SELECT 1;; -- a; b", "  SELECT 1   -- a; b"),
            ("SELECT 'a;b', 'it''s;', \"c;\"\"d\";", "SELECT 'a;b', 'it''s;', \"c;\"\"d\" "),
            ("SELECT E'\\';', e'\\\\';", "SELECT E'\\';', e'\\\\' "),
            ("SELECT 'a\\'; SELECT ';'", "SELECT 'a\\'  SELECT ';'"),
            ("SELECT $$a;$$, $x$b;$y$;$x$;", "SELECT $$a;$$, $x$b;$y$;$x$ "),
            ("SELECT $1; SELECT a$b; c$d$", "SELECT $1  SELECT a$b  c$d$"),
            ("SELECT /* a; /* b; */ c; */ 1;", "SELECT /* a; /* b; */ c; */ 1 "),
            ("SELECT 'ü;€';", "SELECT 'ü;€' "),
            ("SELECT 'open;", "SELECT 'open;"),
            ("/* open;", "/* open;"),
            ("$open;", "$open "),
            ("$$open;", "$$open;"),
            (";", " "),
            ("", ""),
        ] {
            assert_eq!(without_separators(sql), expected);
        }
    }
}
