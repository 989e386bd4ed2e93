//! The header of a CSV file: its delimiter, the names of its columns, what stands before it. It is read as DuckDB reads it,
//! by RFC 4180, and refused where DuckDB would go on without rows.

use std::{
    fs::File,
    io::{BufRead, BufReader},
    path::Path,
};

use flate2::read::MultiGzDecoder;

use super::{
    super::columns::{Column, Kind, identifier},
    MAX_LINE_BYTES, cannot_read, check_count, distinct, inert, not_text,
};
use crate::error::{Error, Result};

/// What may stand between values; `\x01` is Hive's, `\x1f` the unit separator of ASCII.
const DELIMITERS: [char; 6] = [',', ';', '\t', '|', '\u{1}', '\u{1f}'];
/// Lines that one name in quotes may span, and blank ones before the header.
const MAX_LINES: usize = 100;

#[derive(Debug)]
pub(super) struct Header {
    pub delimiter: char,
    /// Lines before it.
    pub skip: usize,
    /// The names as they are; several may be the same, or blank.
    names: Vec<String>,
    /// The names to read by: distinct, and none is blank.
    pub physical: Vec<String>,
}

/// Reads the header of a file, and the first row below it.
///
/// # Errors
/// When there is none, it is no text, its quotes do not match, or it has more columns than a bill has.
pub(super) fn read(path: &Path, gzip: bool) -> Result<Header> {
    let file = File::open(path).map_err(|e| cannot_read(path).caused_by(e))?;
    if gzip { parse(&mut BufReader::new(MultiGzDecoder::new(file))) } else { parse(&mut BufReader::new(file)) }
}

impl Header {
    /// The columns that can be asked for by name.
    pub(super) fn columns(&self) -> Vec<Column> {
        let named = self.names.iter().zip(&self.physical).filter(|(name, _)| !name.is_empty());
        let column = |(name, physical): (&String, &String)| Column {
            name: name.clone(),
            physical: identifier(physical),
            kind: Kind::Text,
            filled: None,
        };
        named.map(column).collect()
    }
}

fn parse(from: &mut dyn BufRead) -> Result<Header> {
    let mut skip = 0;
    let mut delimiter = None;
    let first = loop {
        let Some(text) = line(from)? else {
            return Err(Error::input("the file has no header").cause("its first lines are blank"));
        };
        let text = if skip == 0 { text.trim_start_matches('\u{feff}').to_owned() } else { text };
        // Spreadsheets write their delimiter into a line of its own.
        let said = text.strip_prefix("sep=").and_then(|rest| rest.chars().next());
        if delimiter.is_none() && said.is_some() {
            delimiter = said;
        } else if !text.trim().is_empty() {
            break text;
        } else if skip == MAX_LINES {
            return Err(Error::input("the file has no header").cause("its first lines are blank"));
        }
        skip += 1;
    };
    let delimiter = delimiter.unwrap_or_else(|| delimiter_of(&first));
    let names = record(first, delimiter, from)?.ok_or_else(|| {
        Error::input("the header cannot be read")
            .cause("a quote in it is not closed, or closed before the name ends")
            .hint("mend the first line of the file")
    })?;
    check_count(names.len())?;
    let mut names: Vec<String> = names.iter().map(|name| inert(name).trim().to_owned()).collect();
    if names.iter().all(String::is_empty) {
        return Err(Error::input("the file has no header").cause("none of its columns has a name"));
    }
    // A delimiter at the end of the header alone, or of each line, is no column.
    let named = names.iter().rposition(|name| !name.is_empty()).map_or(0, |last| last + 1);
    if named < names.len() && rest_is_blank(named, delimiter, from)? {
        names.truncate(named);
    }
    let physical = distinct(names.iter().cloned());
    Ok(Header { delimiter, skip, names, physical })
}

/// Whether the first row has nothing from a column on.
fn rest_is_blank(column: usize, delimiter: char, from: &mut dyn BufRead) -> Result<bool> {
    loop {
        match line(from)? {
            None => return Ok(true),
            Some(text) if text.trim().is_empty() => {}
            Some(text) => {
                let row = record(text, delimiter, from)?;
                return Ok(row.is_some_and(|row| row.iter().skip(column).all(|value| value.trim().is_empty())));
            }
        }
    }
}

/// What stands most often between names, outside of quotes.
fn delimiter_of(line: &str) -> char {
    let outside: String = line.split('"').step_by(2).collect();
    let most = DELIMITERS.into_iter().max_by_key(|c| (outside.matches(*c).count(), *c == ','));
    most.unwrap_or(',')
}

/// The next line without its end, whichever it is; `None` at the end of the file.
///
/// # Errors
/// When it cannot be read, is no UTF-8 text, or is longer than any line of a bill.
fn line(from: &mut dyn BufRead) -> Result<Option<String>> {
    let broken = |e| Error::input("the header cannot be read").caused_by(e);
    let mut bytes = Vec::new();
    loop {
        let buffer = from.fill_buf().map_err(broken)?;
        if buffer.is_empty() {
            if bytes.is_empty() {
                return Ok(None);
            }
            break;
        }
        let end = buffer.iter().position(|byte| matches!(byte, b'\n' | b'\r'));
        bytes.extend_from_slice(&buffer[..end.unwrap_or(buffer.len())]);
        let taken = end.map_or(buffer.len(), |end| end + 1);
        let is_return = end.is_some_and(|end| buffer[end] == b'\r');
        from.consume(taken);
        if bytes.len() > MAX_LINE_BYTES {
            return Err(Error::input("the header cannot be read")
                .cause(format!("its first line is longer than {} MB", MAX_LINE_BYTES >> 20)));
        }
        if end.is_some() {
            if is_return && from.fill_buf().map_err(broken)?.first() == Some(&b'\n') {
                from.consume(1);
            }
            break;
        }
    }
    String::from_utf8(bytes).map(Some).map_err(|_| not_text())
}

/// The values of the record that begins with `text` and goes on in further lines while a quote is open; `None` when
/// its quotes do not match.
fn record(mut text: String, delimiter: char, from: &mut dyn BufRead) -> Result<Option<Vec<String>>> {
    for _ in 0..MAX_LINES {
        match values(&text, delimiter) {
            Values::All(values) => return Ok(Some(values)),
            Values::Malformed => return Ok(None),
            Values::Open => match line(from)? {
                Some(next) if text.len() + next.len() < MAX_LINE_BYTES => {
                    text.push('\n');
                    text.push_str(&next);
                }
                _ => return Ok(None),
            },
        }
    }
    Ok(None)
}

enum Values {
    All(Vec<String>),
    /// A quote is open at the end.
    Open,
    /// Something stands between a closing quote and the next delimiter.
    Malformed,
}

fn values(text: &str, delimiter: char) -> Values {
    let mut values = Vec::new();
    let mut rest = text;
    loop {
        let unquoted = rest.trim_start_matches(' ');
        if let Some(mut quoted) = unquoted.strip_prefix('"') {
            let mut value = String::new();
            loop {
                let Some((before, after)) = quoted.split_once('"') else { return Values::Open };
                value.push_str(before);
                match after.strip_prefix('"') {
                    Some(after) => {
                        value.push('"');
                        quoted = after;
                    }
                    None => {
                        quoted = after;
                        break;
                    }
                }
            }
            values.push(value);
            let after = quoted.trim_start_matches(' ');
            match after.strip_prefix(delimiter) {
                Some(after) => rest = after,
                None if after.is_empty() => return Values::All(values),
                None => return Values::Malformed,
            }
        } else {
            match rest.split_once(delimiter) {
                Some((value, after)) => {
                    values.push(value.to_owned());
                    rest = after;
                }
                None => {
                    values.push(rest.to_owned());
                    return Values::All(values);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn header(text: &str) -> Result<Header, String> {
        parse(&mut text.as_bytes()).map_err(|e| e.summary())
    }

    fn names(text: &str) -> Vec<String> {
        header(text).expect("a header").physical
    }

    #[test]
    fn names_are_read_whatever_stands_between_them() {
        for delimiter in DELIMITERS {
            let header = header(&format!("date{delimiter}cost{delimiter}tag a\n")).expect("a header");
            assert_eq!((header.delimiter, header.physical.len()), (delimiter, 3));
        }
        assert_eq!(names("\u{feff}date,\"a;b;c;d\"\r\n"), ["date", "a;b;c;d"]);
        assert_eq!(names("date,\"Disk \"\"5\"\"\", \"x\" ,5\" disk\rrow"), ["date", "Disk \"5\"", "x", "5\" disk"]);
    }

    #[test]
    fn names_are_distinct_and_on_one_line() {
        assert_eq!(names(",date,cost,Cost,\n,2026-03-01,1,2,x"), ["column_1", "date", "cost", "Cost_2", "column_5"]);
        assert_eq!(names("\"da\nte\",co\u{1b}[31mst\n"), ["da te", "co [31mst"]);
        let header = header("date,cost,cost\n").expect("a header");
        assert_eq!(
            header.columns().iter().map(|column| column.name.as_str()).collect::<Vec<_>>(),
            ["date", "cost", "cost"]
        );
    }

    #[test]
    fn a_delimiter_at_the_end_is_no_column() {
        for text in [
            "date,cost,\n2026-03-01,1\n",
            "date,cost,,\n2026-03-01,1,,\n",
            "date,cost,\n",
            "date,cost, \n\n\"a\nb\",1, ",
        ] {
            assert_eq!(names(text), ["date", "cost"], "{text:?}");
        }
        assert_eq!(names("date,cost,\n2026-03-01,1,x\n").len(), 3);
    }

    #[test]
    fn what_stands_before_the_header_is_passed_over() {
        for (text, delimiter, skip) in [
            ("sep=;\ndate;cost\n", ';', 1),
            ("\u{feff}sep=\t\r\ndate\tcost\r\n", '\t', 1),
            ("\n  \ndate,cost\n", ',', 2),
            ("date,cost\n", ',', 0),
        ] {
            let header = header(text).expect("a header");
            assert_eq!(
                (header.delimiter, header.skip, header.physical.as_slice()),
                (delimiter, skip, &["date".into(), "cost".into()][..])
            );
        }
    }

    #[test]
    fn what_is_no_header_is_refused() {
        for (text, reason) in [
            ("", "the file has no header"),
            ("\n\n \n", "the file has no header"),
            (",,\n1,2,3\n", "none of its columns has a name"),
            ("\"date\"x,cost\n2026-03-01,1\n", "a quote in it is not closed"),
            ("\"date,cost\n2026-03-01,1\n", "a quote in it is not closed"),
        ] {
            let error = header(text).expect_err(text);
            assert!(error.contains(reason), "{text:?}: {error}");
        }
        assert!(header(&format!("{}\n", "a,".repeat(20_000))).expect_err("wide").contains("20001 columns"));
        assert!(header(&"a".repeat(MAX_LINE_BYTES + 2)).expect_err("long").contains("longer than 16 MB"));
    }
}
