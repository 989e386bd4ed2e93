//! Writing a mapping into the text of a configuration: a few lines are put in, all else stays as its owner wrote it.

use serde_yaml::Value;

use crate::{
    error::{Error, Result},
    sources::mapping::Mapping,
};

/// The text of a configuration with `mapping` under `mappings.name`; comments and order stay.
///
/// # Errors
/// When there is another mapping of that name, or the text has its mappings in a form that only its owner should edit.
pub(crate) fn with_mapping(text: &str, name: &str, mapping: &Mapping) -> Result<String> {
    let unreadable = |e: serde_yaml::Error| Error::input("the configuration is not YAML").caused_by(e);
    let before: Value = serde_yaml::from_str(text).map_err(unreadable)?;
    let wanted = serde_yaml::to_value(mapping).map_err(unreadable)?;
    match before.get("mappings").and_then(|mappings| mappings.get(name)) {
        Some(there) if *there == wanted => return Ok(text.to_owned()),
        Some(_) => {
            return Err(Error::input(format!("there is a mapping `{name}` already, and it is another one"))
                .hint("save it under another name, or edit `mappings` yourself"));
        }
        None => {}
    }
    let lines: Vec<&str> = text.lines().collect();
    let place = lines.iter().position(|line| line.starts_with("mappings:"));
    let (mut kept, after): (Vec<String>, &[&str]) = match place {
        Some(place) => (lines[..place].iter().map(|line| (*line).to_owned()).collect(), &lines[place + 1..]),
        None => (lines.iter().map(|line| (*line).to_owned()).collect(), &[]),
    };
    let indent = after.iter().find(|line| !line.trim().is_empty() && !line.trim_start().starts_with('#'));
    let indent = indent.map_or(0, |line| line.len() - line.trim_start().len());
    if place.is_none() && !kept.last().is_none_or(|line| line.is_empty()) {
        kept.push(String::new());
    }
    kept.push(match place.map(|place| lines[place]) {
        // A comment after the key stays with it.
        Some(line) => line.replacen("{}", "", 1).trim_end().to_owned(),
        None => "mappings:".to_owned(),
    });
    kept.extend(block(name, mapping, if indent == 0 { 2 } else { indent }));
    kept.extend(after.iter().map(|line| (*line).to_owned()));
    let written = kept.join("\n") + "\n";
    if says_the_same_but(&before, &written, name, &wanted) {
        return Ok(written);
    }
    let block = block(name, mapping, 2).join("\n");
    Err(Error::input("the mappings of the configuration are written in a way that is not edited")
        .hint(format!("put these lines into it yourself:\nmappings:\n{block}")))
}

/// Whether a text is the former configuration and the mapping, and nothing else.
fn says_the_same_but(before: &Value, written: &str, name: &str, wanted: &Value) -> bool {
    let Ok(mut after) = serde_yaml::from_str::<Value>(written) else { return false };
    let Some(mappings) = after.get_mut("mappings").and_then(Value::as_mapping_mut) else { return false };
    if mappings.remove(name).as_ref() != Some(wanted) {
        return false;
    }
    let none_left = mappings.is_empty();
    let empty = |value: &Value| value.is_null() || value.as_mapping().is_some_and(serde_yaml::Mapping::is_empty);
    let without = |value: &Value| {
        let mut value = value.clone();
        if let Some(mapping) = value.as_mapping_mut()
            && mapping.get("mappings").is_some_and(empty)
        {
            mapping.remove("mappings");
        }
        if empty(&value) { Value::Null } else { value }
    };
    (none_left || !before.get("mappings").is_none_or(empty)) && without(before) == without(&after)
}

/// The lines of a mapping, as deep as `indent`.
fn block(name: &str, mapping: &Mapping, indent: usize) -> Vec<String> {
    let text = |text: &str| serde_json::to_string(text).unwrap_or_default();
    let mut lines = vec![format!("{:indent$}{}:", "", text(name).trim_matches('"'))];
    let deeper = indent + 2;
    for (key, map) in [("columns", &mapping.columns), ("values", &mapping.values)] {
        if map.is_empty() {
            continue;
        }
        lines.push(format!("{:deeper$}{key}:", ""));
        let deepest = deeper + 2;
        lines.extend(map.iter().map(|(field, value)| format!("{:deepest$}{}: {}", "", text(field), text(value))));
    }
    lines.extend(mapping.date_order.map(|order| format!("{:deeper$}date_order: {}", "", order.word())));
    lines.extend(mapping.decimal.map(|decimal| format!("{:deeper$}decimal: {}", "", decimal.word())));
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mapping() -> Mapping {
        let assignments = ["date=Tag", "cost=Betrag: netto", "currency:=EUR"].map(|text| text.parse().expect("fine"));
        Mapping::default().with(&assignments, None, None)
    }

    const ACME: &str = "  acme:\n    columns:\n      \"cost\": \"Betrag: netto\"\n      \"date\": \"Tag\"\n    values:\n      \"currency\": \"EUR\"\n";

    #[test]
    fn it_is_appended_and_all_else_stays() {
        let text = "# mine\naws_profile: x   # keep\n";
        let written = with_mapping(text, "acme", &mapping()).expect("fits");
        assert_eq!(written, format!("{text}\nmappings:\n{ACME}"));
        assert_eq!(with_mapping(&written, "acme", &mapping()).expect("the same"), written);
    }

    #[test]
    fn it_goes_beside_others() {
        let text = "mappings:   # of vendors\n    # the first\n    old:\n        columns: { date: d, cost: c }\naws_profile: x\n";
        let written = with_mapping(text, "acme", &mapping()).expect("fits");
        assert!(written.starts_with("mappings:   # of vendors\n    acme:\n      columns:\n"), "{written}");
        assert!(
            written.ends_with("    # the first\n    old:\n        columns: { date: d, cost: c }\naws_profile: x\n")
        );
        let example = super::super::EXAMPLE;
        let written = with_mapping(example, "acme", &mapping()).expect("fits");
        assert_eq!(written, example.replace("mappings: {}\n", &format!("mappings:\n{ACME}")));
    }

    #[test]
    fn what_is_written_another_way_is_left_to_its_owner() {
        for text in ["mappings: { old: { columns: { date: d } } }\n", "{ aws_profile: x }\n", "\"mappings\": {}\n"] {
            let error = with_mapping(text, "acme", &mapping()).expect_err("not edited").hints().concat();
            assert!(error.contains("put these lines into it yourself:\nmappings:\n  acme:"), "{error}");
        }
        let taken = "mappings:\n  acme:\n    columns: { date: d, cost: c }\n";
        assert!(with_mapping(taken, "acme", &mapping()).expect_err("taken").to_string().contains("already"));
    }
}
