//! What is sent encoded: forms, parts of paths, and bytes as text.

use serde_json::{Map, Value};

/// The fields of a form; one that comes twice or is no UTF-8 is no field.
pub(super) fn read_form(raw: &[u8]) -> Value {
    let mut fields = Map::new();
    for pair in String::from_utf8_lossy(raw).split('&').filter(|pair| !pair.is_empty()) {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        let (Some(name), Some(value)) = (decode_percent(name), decode_percent(value)) else { return Value::Null };
        if fields.insert(name, Value::String(value)).is_some() {
            return Value::Null;
        }
    }
    Value::Object(fields)
}

pub(super) fn decode_percent(text: &str) -> Option<String> {
    let mut bytes = Vec::new();
    let mut rest = text.as_bytes();
    while let Some((first, others)) = rest.split_first() {
        match first {
            b'+' => bytes.push(b' '),
            b'%' => {
                let digits = std::str::from_utf8(others.get(..2)?).ok()?;
                bytes.push(u8::from_str_radix(digits, 16).ok()?);
                rest = &others[2..];
                continue;
            }
            other => bytes.push(*other),
        }
        rest = others;
    }
    String::from_utf8(bytes).ok()
}

/// Strictly as in RFC 4648: padded, without spaces.
pub(super) fn decode_base64(text: &str) -> Option<Vec<u8>> {
    const LETTERS: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let letters = text.trim_end_matches('=');
    if !text.len().is_multiple_of(4) || text.len() - letters.len() > 2 {
        return None;
    }
    let (mut bits, mut count, mut bytes) = (0_u32, 0, Vec::new());
    for letter in letters.bytes() {
        let value = LETTERS.iter().position(|known| *known == letter)?;
        bits = (bits << 6 | u32::try_from(value).ok()?) & 0xffff;
        count += 6;
        if count >= 8 {
            count -= 8;
            bytes.push(u8::try_from(bits >> count & 0xff).ok()?);
        }
    }
    Some(bytes)
}
