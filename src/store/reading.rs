//! What DuckDB says of a file that it cannot read, in words of people who have a bill. Its own words name its functions and
//! options, which nobody here has called.

use super::{Store, translate};
use crate::error::Error;

/// Words of DuckDB's about itself.
const JARGON: [&str; 9] = [
    "Binder",
    "Catalog",
    "Conversion Error",
    "Invalid Input",
    "INTERNAL",
    "struct_pack",
    "read_csv",
    "read_parquet",
    "TRY_CAST",
];

impl Store {
    /// An error of DuckDB's while it reads a file.
    pub(super) fn reading_error(&self, doing: &str, error: &duckdb::Error) -> Error {
        let text = error.to_string();
        let lower = text.to_lowercase();
        let ours = [
            "no space left",
            "file too large",
            "disk quota",
            "out of memory",
            "could not allocate",
            "to decimal(38,12)",
        ];
        if ours.iter().any(|words| lower.contains(words)) {
            return translate(doing, error, &self.path);
        }
        let (cause, hint) = in_words(&text);
        let error = Error::input(doing).cause(cause);
        if hint.is_empty() { error } else { error.hint(hint) }
    }
}

/// The cause, and the next step where there is one.
fn in_words(text: &str) -> (String, &'static str) {
    const FETCH: &str = "fetch the file again";
    const MEND: &str = "mend the file, or fetch it again";
    let has = |words: &str| text.contains(words);
    let line = number_after(text, "CSV Error on Line: ").map_or("a line".to_owned(), |line| format!("line {line}"));
    if has("Expected Number of Columns") {
        let expected = number_after(text, "Expected Number of Columns: ").unwrap_or_default();
        let found = number_after(text, "Found: ").unwrap_or_default();
        let values = if found == 1 { "value" } else { "values" };
        return (format!("{line} has {found} {values}, the header has {expected}"), MEND);
    }
    if has("unterminated quote") {
        return (format!("{line}: a quote is not closed, or closed before its value ends"), MEND);
    }
    if has("Invalid unicode") || has("Invalid string encoding") {
        return (
            format!("{line} is not UTF-8 text"),
            "if it is packed, unpack it and ingest the CSV; else save it as UTF-8",
        );
    }
    if has("Maximum line size") {
        return (format!("{line} is longer than any line of a bill, or a quote in it is not closed"), MEND);
    }
    if has("state machine reached an invalid state") {
        return (
            "its quotes do not match, or its lines end in several ways".into(),
            "if it is packed, unpack it and ingest the CSV; else mend the file, or fetch it again",
        );
    }
    if has("CSV Error") {
        return (format!("{line} cannot be read"), MEND);
    }
    if has("Malformed JSON") {
        // DuckDB counts from the line after (measured).
        let line = number_after(text, " in line ")
            .map_or("an object".to_owned(), |line| format!("line {}", line.saturating_sub(1)));
        return (format!("{line} is no whole JSON object"), FETCH);
    }
    if has("Invalid column type Null") {
        return ("a row has no date".into(), "every line of a bill needs one");
    }
    if has("GZIP") || has("gzip") || has("Failed to read from stream") {
        return ("the gzip file is damaged or cut short".into(), FETCH);
    }
    if let Some(cause) = conversion(text) {
        return (cause, MEND);
    }
    let lower = text.to_lowercase();
    if ["snappy", "zstd", "parquet", "thrift", "tprotocol", "don't know what type", "decompress"]
        .iter()
        .any(|word| lower.contains(word))
    {
        return ("the parquet file is damaged or cut short".into(), FETCH);
    }
    if has("No files found") || has("No such file") || has("Cannot open file") || has("Permission denied") {
        return ("the file is gone, or may not be read".into(), "");
    }
    match plain(text) {
        Some(words) => (words, MEND),
        None => (
            "its columns are not as the program takes them".into(),
            "please report this with the header of the file and the first row below it",
        ),
    }
}

/// A value that is not what its column must hold.
fn conversion(text: &str) -> Option<String> {
    let is_number = ["DOUBLE", "DECIMAL", "INT"]
        .iter()
        .any(|name| text.contains(&format!("to {name}")) || text.contains(&format!("-> {name}")));
    let what = if is_number { "a number" } else { "a date or time" };
    let column = text.split_once("source column ").map(|(_, rest)| rest.lines().next().unwrap_or_default().trim());
    let column =
        column.filter(|name| !name.is_empty()).map_or("a column".to_owned(), |name| format!("column `{}`", cut(name)));
    let between = |start: &str, end: char| {
        let (_, rest) = text.split_once(start)?;
        rest.split_once(end).map(|(value, _)| cut(value))
    };
    if let Some(value) = between("Could not convert string '", '\'').or_else(|| between("field format: \"", '"')) {
        return Some(format!("{column}: `{value}` is not {what}"));
    }
    if let Some(value) = between("field value out of range: \"", '"') {
        return Some(format!("{column}: `{value}` is no date that there is"));
    }
    if let Some(held) = between("Unimplemented type for cast (", ' ') {
        let held = held.split('(').next().unwrap_or_default().to_lowercase();
        return Some(format!("{column} holds values of the type {held}, not {what}"));
    }
    let is_out_of_range = text.contains("Out of Range") || text.contains("out of range") || text.contains("Overflow");
    if is_out_of_range {
        return Some("a number or a date is out of range".into());
    }
    text.contains("Conversion Error").then(|| format!("{column} holds a value that is not {what}"))
}

/// A value or a name of the file, short and on one line.
fn cut(value: &str) -> String {
    value.replace(|c: char| c.is_control(), " ").chars().take(60).collect()
}

/// The first line without the class of the error; nothing if DuckDB talks of itself.
fn plain(text: &str) -> Option<String> {
    let line = text.lines().next().unwrap_or_default();
    let words = line.split_once(" Error: ").map_or(line, |(_, words)| words).trim();
    let fine = !words.is_empty() && !JARGON.iter().any(|jargon| text.contains(jargon));
    fine.then(|| words.replace(|c: char| c.is_control(), " ").chars().take(200).collect())
}

fn number_after(text: &str, words: &str) -> Option<u64> {
    let (_, rest) = text.split_once(words)?;
    rest.chars().take_while(char::is_ascii_digit).collect::<String>().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_duckdb_says_becomes_words_of_ours() {
        for (said, words) in [
            (
                "Invalid Input Error: CSV Error on Line: 3\nOriginal Line: x\nExpected Number of Columns: 3 Found: 1\nPossible fixes:",
                "line 3 has 1 value, the header has 3",
            ),
            (
                "Invalid Input Error: CSV Error on Line: 2\nOriginal Line: \"a\"x\nValue with unterminated quote found.",
                "line 2: a quote is not closed, or closed before its value ends",
            ),
            (
                "Invalid Input Error: CSV Error on Line: 2\nOriginal Line: ?\nInvalid unicode (byte sequence mismatch) detected.",
                "line 2 is not UTF-8 text",
            ),
            ("IO Error: Unexpected end of GZIP stream: cut.csv.gz", "the gzip file is damaged or cut short"),
            ("don't know what type: ", "the parquet file is damaged or cut short"),
            (
                "Invalid Input Error: Failed to read file \"x.parquet\": Snappy decompression failure",
                "the parquet file is damaged or cut short",
            ),
            (
                "Conversion Error: Could not convert string '1\u{1b}[2J' to DOUBLE when casting from source column cost\n\nLINE 1: …",
                "column `cost`: `1 [2J` is not a number",
            ),
            (
                "Conversion Error: Unimplemented type for cast (STRUCT(a BIGINT) -> TIMESTAMP) when casting from source column day",
                "column `day` holds values of the type struct, not a date or time",
            ),
            (
                "Conversion Error: invalid timestamp field format: \"soon\", expected format is (YYYY-MM-DD HH:MM)",
                "a column: `soon` is not a date or time",
            ),
            ("IO Error: No files found that match the pattern \"/x\"", "the file is gone, or may not be read"),
            (
                "Binder Error: No function matches the given name and argument types 'struct_pack(STRING_LITERAL)'.",
                "its columns are not as the program takes them",
            ),
            ("INTERNAL Error: Attempted to access index 0", "its columns are not as the program takes them"),
            ("IO Error: the cable is out", "the cable is out"),
        ] {
            assert_eq!(in_words(said).0, words, "{said}");
        }
    }
}
