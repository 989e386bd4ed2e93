//! Text that people save: UTF-16 and Windows-1252 beside UTF-8, lines that end in several ways. DuckDB reads UTF-8 with
//! ends of one kind; the rest is written anew. Decoding follows <https://encoding.spec.whatwg.org/>.

use std::{
    fs::File,
    io::Write,
    path::{Path, PathBuf},
};

use encoding_rs::{CoderResult, Encoding, UTF_8, UTF_16BE, UTF_16LE, WINDOWS_1252};

use super::{
    cannot_read, not_text,
    place::{cannot_write, new_file, pour},
};
use crate::error::Result;

/// The bytes at the beginning that tell text from what is none.
const HEAD_BYTES: usize = 4096;
/// What is looked at before DuckDB reads the file: all of what systems keep in memory, since it is read twice.
const MAX_SCANNED_BYTES: u64 = 1 << 30;

/// How the bytes of a text are to be read.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Found {
    /// `None` is UTF-8 without a fault.
    encoding: Option<&'static Encoding>,
    /// Whether lines end in more than one way, those inside of values aside.
    mixed_ends: bool,
}

impl Found {
    /// Whether DuckDB reads it as it is.
    pub(super) fn is_plain(&self) -> bool {
        self.encoding.is_none() && !self.mixed_ends
    }

    /// Whether nothing in the file says what its letters beyond ASCII are.
    pub(super) fn is_guessed(&self) -> bool {
        self.encoding == Some(WINDOWS_1252)
    }
}

/// Looks at the bytes of a file: all but what is beyond the first gigabyte.
///
/// # Errors
/// When the file cannot be read or is no text.
pub(super) fn scan_file(path: &Path) -> Result<Found> {
    let mut file = File::open(path).map_err(|e| cannot_read(path).caused_by(e))?;
    let mut scan = Scan::default();
    let seen = pour(&mut file, MAX_SCANNED_BYTES, &|e| cannot_read(path).caused_by(e), |bytes| scan.feed(bytes))?;
    let mut found = scan.end(seen <= MAX_SCANNED_BYTES);
    if found.mixed_ends && found.encoding.is_none() {
        let mut file = File::open(path).map_err(|e| cannot_read(path).caused_by(e))?;
        let mut lines = Lines::default();
        pour(&mut file, MAX_SCANNED_BYTES, &|e| cannot_read(path).caused_by(e), |bytes| {
            lines.ended_alike(bytes);
            Ok(())
        })?;
        found.mixed_ends = lines.kinds() > 1;
    }
    Ok(found)
}

/// Looks at the beginning of a text, which is cut off anywhere unless it is `whole`.
///
/// # Errors
/// When it is no text.
pub(super) fn scan(head: &[u8], whole: bool) -> Result<Found> {
    let mut scan = Scan::default();
    scan.feed(head)?;
    let mut found = scan.end(whole);
    if found.mixed_ends {
        let mut lines = Lines::default();
        lines.ended_alike(head);
        found.mixed_ends = lines.kinds() > 1;
    }
    Ok(found)
}

/// What was seen so far.
#[derive(Default)]
struct Scan {
    started: bool,
    /// What the first bytes decide.
    decided: Option<&'static Encoding>,
    /// The beginning of a character whose end is to come.
    cut: Vec<u8>,
    /// Characters of several bytes, and bytes that are none of UTF-8.
    multibyte: u64,
    faults: u64,
    /// Ends of lines by kind: `\n`, `\r\n`, `\r`.
    ends: [bool; 3],
    after_return: bool,
}

impl Scan {
    fn feed(&mut self, bytes: &[u8]) -> Result<()> {
        if !self.started {
            self.started = true;
            self.decided = encoding_of(&bytes[..bytes.len().min(HEAD_BYTES)])?;
        }
        if self.decided.is_none() {
            self.count_characters(bytes);
            self.count_ends(bytes);
        }
        Ok(())
    }

    fn count_characters(&mut self, bytes: &[u8]) {
        let joined;
        let mut rest = if self.cut.is_empty() {
            bytes
        } else {
            joined = [std::mem::take(&mut self.cut).as_slice(), bytes].concat();
            &joined
        };
        loop {
            let (valid, fault) = match std::str::from_utf8(rest) {
                Ok(text) => (text.len(), None),
                Err(e) => (e.valid_up_to(), Some(e.error_len())),
            };
            let good = &rest[..valid];
            if !good.is_ascii() {
                self.multibyte += good.iter().filter(|byte| **byte >= 0xc0).count() as u64;
            }
            match fault {
                None => return,
                Some(None) => {
                    self.cut = rest[valid..].to_vec();
                    return;
                }
                Some(Some(length)) => {
                    self.faults += 1;
                    rest = &rest[valid + length..];
                }
            }
        }
    }

    fn count_ends(&mut self, bytes: &[u8]) {
        if !self.after_return && !bytes.contains(&b'\r') {
            self.ends[0] |= bytes.contains(&b'\n');
            return;
        }
        for byte in bytes {
            match (self.after_return, byte) {
                (true, b'\n') => self.ends[1] = true,
                (true, _) => self.ends[2] = true,
                (false, b'\n') => self.ends[0] = true,
                _ => {}
            }
            self.after_return = *byte == b'\r';
        }
    }

    fn end(mut self, whole: bool) -> Found {
        if whole {
            self.faults += u64::from(!self.cut.is_empty());
            self.ends[2] |= self.after_return;
        }
        let encoding = match (self.decided, self.faults) {
            (Some(encoding), _) => Some(encoding),
            (None, 0) => None,
            // A few broken bytes among good ones: it is UTF-8 all the same, and they are marked.
            (None, faults) if faults < self.multibyte => Some(UTF_8),
            _ => Some(WINDOWS_1252),
        };
        Found { encoding, mixed_ends: kinds(self.ends) > 1 }
    }
}

fn kinds(ends: [bool; 3]) -> usize {
    ends.into_iter().filter(|seen| *seen).count()
}

/// UTF-16 by its mark, or by the zeros that ASCII has in it.
///
/// # Errors
/// When the bytes are no text.
fn encoding_of(head: &[u8]) -> Result<Option<&'static Encoding>> {
    match head {
        [0xff, 0xfe, ..] => return Ok(Some(UTF_16LE)),
        [0xfe, 0xff, ..] => return Ok(Some(UTF_16BE)),
        _ => {}
    }
    let zeros = |offset: usize| head.iter().skip(offset).step_by(2).filter(|byte| **byte == 0).count();
    let (even, odd, half) = (zeros(0), zeros(1), head.len() / 2);
    if head.len() > 8 && odd * 10 > half * 9 && even * 10 < half {
        return Ok(Some(UTF_16LE));
    }
    if head.len() > 8 && even * 10 > half * 9 && odd * 10 < half {
        return Ok(Some(UTF_16BE));
    }
    let is_odd = |byte: &u8| *byte < 0x20 && !matches!(byte, b'\t' | b'\n' | b'\r' | 1 | 0x1f);
    let controls = head.iter().filter(|byte| is_odd(byte)).count();
    let is_utf8 = std::str::from_utf8(head).map_or_else(|e| e.error_len().is_none(), |_| true);
    let allowed = if is_utf8 { head.len() / 5 } else { head.len() / 50 };
    if controls > allowed { Err(not_text()) } else { Ok(None) }
}

/// Writes the text anew to `unpack_to`: in UTF-8, each line ending in `\n`. It grows to three times its size at most.
///
/// # Errors
/// When the file cannot be read, or the disk is full.
pub(super) fn normalise(path: &Path, found: &Found, unpack_to: &Path) -> Result<PathBuf> {
    let mut from = File::open(path).map_err(|e| cannot_read(path).caused_by(e))?;
    let (mut to, target) = new_file(unpack_to)?;
    let mut decoder = found.encoding.unwrap_or(UTF_8).new_decoder_with_bom_removal();
    let mut lines = Lines::default();
    let mut buffer = vec![0; 1 << 16];
    let mut decode = |mut bytes: &[u8], last: bool| -> Result<()> {
        loop {
            let (result, read, written, _) = decoder.decode_to_utf8(bytes, &mut buffer, last);
            bytes = &bytes[read..];
            to.write_all(&lines.ended_alike(&buffer[..written])).map_err(|e| cannot_write(unpack_to, e))?;
            if result == CoderResult::InputEmpty {
                return Ok(());
            }
        }
    };
    pour(&mut from, u64::MAX, &|e| cannot_read(path).caused_by(e), |bytes| decode(bytes, false))?;
    decode(&[], true)?;
    Ok(target)
}

/// Ends lines alike, outside of quotes: what is inside is a value.
struct Lines {
    quoted: bool,
    previous: u8,
    /// Ends seen, by kind: `\n`, `\r\n`, `\r`.
    ends: [bool; 3],
    after_return: bool,
}

impl Default for Lines {
    fn default() -> Self {
        Self { quoted: false, previous: b'\n', ends: [false; 3], after_return: false }
    }
}

impl Lines {
    /// How many kinds of ends were seen, one at the very end aside.
    fn kinds(&self) -> usize {
        kinds(self.ends)
    }

    fn ended_alike(&mut self, bytes: &[u8]) -> Vec<u8> {
        let mut ended = Vec::with_capacity(bytes.len());
        for &byte in bytes {
            match byte {
                b'"' if self.quoted => self.quoted = false,
                // A quote in the middle of a value is a character like others; after a quote it is the second of two.
                b'"' if matches!(self.previous, b',' | b';' | b'\t' | b'|' | 1 | 0x1f | b'\n' | b'\r' | b'"') => {
                    self.quoted = true;
                }
                _ => {}
            }
            match (self.after_return, byte) {
                (true, b'\n') => self.ends[1] = true,
                (true, _) => self.ends[2] = true,
                (false, b'\n') => self.ends[0] |= !self.quoted,
                _ => {}
            }
            match byte {
                b'\n' if self.after_return => {}
                b'\r' if !self.quoted => ended.push(b'\n'),
                _ => ended.push(byte),
            }
            self.after_return = byte == b'\r' && !self.quoted;
            self.previous = byte;
        }
        ended
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(bytes: &[u8]) -> Option<(Option<&'static str>, bool)> {
        scan(bytes, true).ok().map(|found| (found.encoding.map(Encoding::name), found.mixed_ends))
    }

    fn utf16(text: &str, to_bytes: impl Fn(u16) -> [u8; 2]) -> Vec<u8> {
        text.encode_utf16().flat_map(to_bytes).collect()
    }

    #[test]
    fn encodings_are_told_apart() {
        assert_eq!(found("date,cost\n2026-03-01,1\n".as_bytes()), Some((None, false)));
        assert_eq!(found("dienst,preis\nKöln,1 €\n".as_bytes()), Some((None, false)));
        assert_eq!(found(b"dienst,preis\nK\xf6ln,1 \x80\n"), Some((Some("windows-1252"), false)));
        assert_eq!(found("Köln, Düren, M\u{fc}nster".as_bytes()), Some((None, false)));
        assert_eq!(found(&["Köln, Düren ".as_bytes(), b"\xff", b" Aa"].concat()), Some((Some("UTF-8"), false)));
        for text in ["\u{feff}date,cost\n2026-03-01,1\n", "date,cost\n2026-03-01,1\n"] {
            assert_eq!(found(&utf16(text, u16::to_le_bytes)), Some((Some("UTF-16LE"), false)), "{text:?}");
            assert_eq!(found(&utf16(text, u16::to_be_bytes)), Some((Some("UTF-16BE"), false)), "{text:?}");
        }
        assert_eq!(found(b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\0\x02\0\0\0\x02"), None);
        assert_eq!(found(&[0; 64]), None);
    }

    #[test]
    fn a_character_on_the_border_of_two_reads_is_whole() {
        let text = "a€ö\r\n".repeat(50);
        for size in 1..9 {
            let mut scan = Scan::default();
            for chunk in text.as_bytes().chunks(size) {
                // The head decides once, by whatever comes first.
                scan.started = true;
                scan.feed(chunk).expect("text");
            }
            assert_eq!(scan.end(true), Found { encoding: None, mixed_ends: false }, "{size}");
        }
    }

    #[test]
    fn ends_of_lines_are_counted_by_kind() {
        assert_eq!(found(b"a\nb\n"), Some((None, false)));
        assert_eq!(found(b"a\r\nb\r\n"), Some((None, false)));
        assert_eq!(found(b"a\rb\r"), Some((None, false)));
        for mixed in [&b"a\r\nb\nc"[..], b"a\nb\rc", b"a\rb\r\n"] {
            assert_eq!(found(mixed), Some((None, true)), "{mixed:?}");
        }
        // Those inside of a value are a part of it.
        assert_eq!(found(b"\"a\r\nb\",\"c\rd\"\n1,2\n"), Some((None, false)));
    }

    #[test]
    fn what_is_written_anew_is_utf8_with_ends_of_one_kind_and_the_same_values() {
        let folder = tempfile::tempdir().expect("a folder");
        let anew = |bytes: &[u8]| {
            let path = folder.path().join("in.csv");
            std::fs::write(&path, bytes).expect("written");
            let found = scan_file(&path).expect("text");
            assert!(!found.is_plain());
            std::fs::read_to_string(normalise(&path, &found, folder.path()).expect("anew")).expect("UTF-8")
        };
        let long = "Köln,\"a \"\"b\"\"\r\nc\",5\" disk €\r\n".repeat(9000);
        assert_eq!(anew(&utf16(&format!("\u{feff}{long}"), u16::to_le_bytes)), long.replace("€\r\n", "€\n"));
        assert_eq!(anew(b"a,b\r\nK\xf6ln,\x80\n\"x\r\ny\",1\r"), "a,b\nKöln,€\n\"x\r\ny\",1\n");
    }
}
