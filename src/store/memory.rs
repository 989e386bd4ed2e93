//! How much memory the database may take: a size that is checked where it comes in.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use crate::error::Error;

/// The units that DuckDB knows, in bytes.
const UNITS: [(&str, f64); 8] = [
    ("KB", 1e3),
    ("MB", 1e6),
    ("GB", 1e9),
    ("TB", 1e12),
    ("KiB", 1024.0),
    ("MiB", 1024.0 * 1024.0),
    ("GiB", 1024.0 * 1024.0 * 1024.0),
    ("TiB", 1024.0 * 1024.0 * 1024.0 * 1024.0),
];
/// DuckDB needs some to open a database at all.
const LEAST: u64 = 32_000_000;
const MOST: u64 = 1_000_000_000_000_000;

/// A size such as `2GB`, kept as it was written.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct MemoryLimit {
    text: String,
    bytes: u64,
}

impl MemoryLimit {
    pub(crate) fn bytes(&self) -> u64 {
        self.bytes
    }
}

impl FromStr for MemoryLimit {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let wrong =
            || Error::input("`database.memory_limit` must be a size from 32MB to 1000TB, such as 2GB or 512MiB");
        let digits = text.find(|character: char| !character.is_ascii_digit() && character != '.').unwrap_or(text.len());
        let (number, unit) = text.split_at(digits);
        let unit = unit.trim_start_matches(' ');
        let (_, factor) = UNITS.iter().find(|(name, _)| name.eq_ignore_ascii_case(unit)).ok_or_else(wrong)?;
        let bytes = (number.parse::<f64>().map_err(|_| wrong())? * factor) as u64;
        if !(LEAST..=MOST).contains(&bytes) {
            return Err(wrong());
        }
        Ok(Self { text: text.to_owned(), bytes })
    }
}

impl fmt::Display for MemoryLimit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl Serialize for MemoryLimit {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for MemoryLimit {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(|e: Error| de::Error::custom(e.summary()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_have_a_number_and_a_unit() {
        for (text, bytes) in
            [("2GB", 2_000_000_000), ("512mb", 512_000_000), ("1.5 GiB", 1_610_612_736), ("33554432KiB", 1 << 35)]
        {
            let limit: MemoryLimit = text.parse().expect(text);
            assert_eq!((limit.bytes(), limit.to_string().as_str()), (bytes, text));
        }
        for wrong in [
            "",
            "2",
            "GB",
            "-2GB",
            "+2GB",
            "2GBx",
            "0GB",
            "1B",
            "1KB",
            "nan",
            "nanGB",
            "infGB",
            "1e3MB",
            "80%",
            "none",
            "unlimited",
            "99999999999TB",
            "1.2.3GB",
            "2\tGB",
            "2GB; SET x",
        ] {
            assert!(wrong.parse::<MemoryLimit>().is_err(), "{wrong}");
        }
    }
}
