//! Sums that a model may need, in exact decimals, over figures that tools gave: a model that computes by itself invents.

use rust_decimal::{Decimal, prelude::ToPrimitive};
use serde_json::{Map, Value, json};

use super::{conversation::Definition, figures::Known};
use crate::error::{Error, Result};

pub(super) const NAME: &str = "calculate";
/// Numbers that need no source: days of weeks, months and years, hours, percent.
const CONSTANTS: [i64; 16] = [1, 2, 3, 4, 7, 10, 12, 24, 28, 29, 30, 31, 52, 100, 365, 1000];
/// Digits after the point.
const SCALE: u32 = 10;

pub(super) fn definition() -> Definition {
    let input = json!({
        "type": "object",
        "properties": {
            "operation": {"type": "string", "enum": ["sum", "difference", "product", "quotient", "mean", "percent_change"]},
            "numbers": {"type": "array", "items": {"type": "string"}, "description": "figures exactly as tools gave them; percent_change is from the first to the second"},
        },
        "required": ["operation", "numbers"],
        "additionalProperties": false,
    });
    Definition {
        name: NAME.to_owned(),
        description: "Exact arithmetic over figures of results. Use it for every figure that no tool gives: an answer with a computed figure \
                      that did not come from here is refused.".to_owned(),
        input: input.as_object().cloned().unwrap_or_default(),
    }
}

/// Computes.
///
/// # Errors
/// When a number is none, was given by nobody, or there is nothing to compute.
pub(super) fn calculate(input: &Map<String, Value>, known: &Known) -> Result<Decimal> {
    let texts: Vec<String> = match input.get("numbers") {
        Some(Value::Array(numbers)) => numbers.iter().map(text).collect(),
        Some(Value::String(list)) => list
            .trim_matches(['[', ']'])
            .split([',', ' '])
            .map(|part| part.trim_matches('"').to_owned())
            .filter(|part| !part.is_empty())
            .collect(),
        _ => Vec::new(),
    };
    let numbers = texts.iter().map(|text| number(text, known)).collect::<Result<Vec<_>>>()?;
    let operation = input.get("operation").and_then(Value::as_str).unwrap_or_default();
    let too_big = || Error::usage("the result is too big");
    let by_zero = || Error::usage("nothing can be divided by 0");
    let pair = || match numbers[..] {
        [first, second] => Ok((first, second)),
        _ => Err(Error::usage(format!("`{operation}` takes two numbers"))),
    };
    if numbers.is_empty() {
        return Err(
            Error::usage("`numbers` is empty").hint("give the figures as a list, such as [\"12.50\", \"3.20\"]")
        );
    }
    let sum = || numbers.iter().try_fold(Decimal::ZERO, |sum, number| sum.checked_add(*number)).ok_or_else(too_big);
    let result = match operation {
        "sum" => sum()?,
        "mean" => sum()?.checked_div(Decimal::from(numbers.len())).ok_or_else(by_zero)?,
        "product" => {
            numbers.iter().try_fold(Decimal::ONE, |product, number| product.checked_mul(*number)).ok_or_else(too_big)?
        }
        "difference" => pair().and_then(|(first, second)| first.checked_sub(second).ok_or_else(too_big))?,
        "quotient" => pair().and_then(|(first, second)| first.checked_div(second).ok_or_else(by_zero))?,
        "percent_change" => {
            let (before, after) = pair()?;
            let change = after.checked_sub(before).and_then(|change| change.checked_mul(Decimal::ONE_HUNDRED));
            change.ok_or_else(too_big)?.checked_div(before.abs()).ok_or_else(by_zero)?
        }
        other => {
            return Err(Error::usage(format!("there is no operation `{other}`"))
                .hint("there are: sum, difference, product, quotient, mean, percent_change"));
        }
    };
    Ok(result.round_dp(SCALE).normalize())
}

fn text(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

/// A number that somebody gave.
fn number(text: &str, known: &Known) -> Result<Decimal> {
    let bare: String = text.trim().replace(',', "").chars().filter(|c| !"$€£¥%".contains(*c)).collect();
    let number: Decimal = Decimal::from_str_exact(bare.trim_start_matches('+'))
        .or_else(|_| Decimal::from_scientific(&bare))
        .map_err(|_| Error::usage(format!("`{text}` is no number")))?;
    let is_constant = || CONSTANTS.iter().any(|constant| Decimal::from(*constant) == number);
    if !is_constant()
        && !known.has_number(&bare)
        && !number.to_f64().is_some_and(|number| known.has_number(&number.to_string()))
    {
        return Err(Error::usage(format!("`{text}` is in no result and not in the question"))
            .hint("call the tool that gives it first, and copy it exactly"));
    }
    Ok(number)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ask(operation: &str, numbers: Value) -> Result<String> {
        let mut known = Known::default();
        known.learn(&json!({"a": 0.1, "b": 0.2, "c": 1234.56, "d": -75.5335, "e": 0, "n": 3.0, "big": 1e27}));
        let input = json!({"operation": operation, "numbers": numbers});
        calculate(input.as_object().expect("an object"), &known).map(|number| number.to_string())
    }

    #[test]
    fn decimals_are_exact() {
        assert_eq!(ask("sum", json!(["0.1", "0.2"])).expect("a number"), "0.3");
        assert_eq!(ask("sum", json!([0.1, 0.2, 0.1])).expect("a number"), "0.4");
        assert_eq!(ask("difference", json!(["$1,234.56", "0.1"])).expect("a number"), "1234.46");
        assert_eq!(ask("product", json!("1234.56, 12")).expect("a number"), "14814.72");
        assert_eq!(ask("quotient", json!(["1234.56", "30"])).expect("a number"), "41.152");
        assert_eq!(ask("mean", json!(["0.1", "0.2"])).expect("a number"), "0.15");
        assert_eq!(ask("percent_change", json!(["-75.5335", "0.1"])).expect("a number"), "100.1323915878");
    }

    #[test]
    fn nothing_is_computed_from_what_nobody_gave() {
        for (operation, numbers, cause) in [
            ("sum", json!(["0.1", "77.7"]), "`77.7` is in no result"),
            ("sum", json!([]), "`numbers` is empty"),
            ("sum", json!(["many"]), "`many` is no number"),
            ("quotient", json!(["0.1", "0"]), "divided by 0"),
            ("difference", json!(["0.1"]), "takes two numbers"),
            ("product", json!([1e27, 1e27]), "too big"),
            ("power", json!(["0.1", "2"]), "there is no operation `power`"),
        ] {
            let error = ask(operation, numbers).expect_err(operation).to_string();
            assert!(error.contains(cause), "{error}");
        }
    }
}
