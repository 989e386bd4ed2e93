//! Ids of resources towards a model: it gets `resource-1` instead, and what it says of `resource-1` is told with the id.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

const WORD: &str = "resource-";

/// Ids and what stands for them, for as long as a conversation lasts.
#[derive(Clone, Debug, Default)]
pub(crate) struct Pseudonyms {
    by_id: BTreeMap<String, String>,
    by_word: BTreeMap<String, String>,
}

impl Pseudonyms {
    /// Takes the ids of a result: values of the dimension resource, and all that is written as an ARN or an id of AWS.
    pub(crate) fn learn(&mut self, value: &Value) {
        match value {
            Value::Object(fields) => {
                let is_of_resources = fields.get("dimension").is_some_and(|name| name == "resource");
                for (name, value) in fields {
                    match value {
                        Value::String(id) if ["resource", "resource_id", "resource_name"].contains(&name.as_str()) => {
                            self.add(id)
                        }
                        Value::String(text) => self.learn_text(text),
                        Value::Array(members) if is_of_resources => {
                            members.iter().for_each(|member| self.learn_member(member));
                            self.learn(value);
                        }
                        value => self.learn(value),
                    }
                }
            }
            Value::Array(values) => values.iter().for_each(|value| self.learn(value)),
            Value::String(text) => self.learn_text(text),
            _ => {}
        }
    }

    /// `{"value": "arn:…"}` in a list of resources.
    fn learn_member(&mut self, member: &Value) {
        if let Some(id) = member.get("value").and_then(Value::as_str) {
            self.add(id);
        }
    }

    fn learn_text(&mut self, text: &str) {
        let ends = |c: char| c.is_whitespace() || "\"'`,;()[]{}<>=|".contains(c);
        for word in text.split(ends).map(|word| word.trim_end_matches(['.', ':', '!', '?'])) {
            if word.starts_with("arn:") && word.matches(':').count() >= 5 || is_id(word) {
                self.add(word);
            }
        }
    }

    fn add(&mut self, id: &str) {
        // Others would be replaced within words.
        if id.chars().count() < 4 || self.by_id.contains_key(id) || id.starts_with(WORD) {
            return;
        }
        let word = format!("{WORD}{}", self.by_id.len() + 1);
        self.by_id.insert(id.to_owned(), word.clone());
        self.by_word.insert(word, id.to_owned());
    }

    /// A text for the model.
    pub(crate) fn hide(&self, text: &str) -> String {
        let mut ids: Vec<(&String, &String)> = self.by_id.iter().collect();
        // What another one contains goes after it.
        ids.sort_by_key(|(id, _)| std::cmp::Reverse(id.len()));
        ids.iter().fold(text.to_owned(), |text, (id, word)| replaced(&text, id, word))
    }

    /// A text of the model with the ids in their places.
    pub(crate) fn show(&self, text: &str) -> String {
        let mut shown = String::with_capacity(text.len());
        let mut rest = text;
        while let Some(place) = rest.find(WORD) {
            let digits = rest[place + WORD.len()..].bytes().take_while(u8::is_ascii_digit).count();
            let end = place + WORD.len() + digits;
            shown += &rest[..place];
            shown += self.by_word.get(&rest[place..end]).map_or(&rest[place..end], String::as_str);
            rest = &rest[end..];
        }
        shown + rest
    }

    /// The input of a tool with the ids in their places.
    pub(crate) fn show_in(&self, input: &Map<String, Value>) -> Map<String, Value> {
        input.iter().map(|(name, value)| (name.clone(), self.show_value(value))).collect()
    }

    fn show_value(&self, value: &Value) -> Value {
        match value {
            Value::String(text) => self.show(text).into(),
            Value::Array(values) => values.iter().map(|value| self.show_value(value)).collect(),
            Value::Object(fields) => self.show_in(fields).into(),
            value => value.clone(),
        }
    }
}

/// A text with a word in the place of an id, wherever the id is not a part of a longer name.
fn replaced(text: &str, id: &str, word: &str) -> String {
    let is_of_name = |c: char| c.is_alphanumeric() || c == '_';
    let mut replaced = String::with_capacity(text.len());
    let mut done = 0;
    for (place, _) in text.match_indices(id) {
        let end = place + id.len();
        let is_apart = !text[..place].ends_with(is_of_name) && !text[end..].starts_with(is_of_name);
        if is_apart {
            replaced += &text[done..place];
            replaced += word;
            done = end;
        }
    }
    replaced + &text[done..]
}

/// `i-0627bcfd5a49cdf95`, `vol-…`, `snap-…`: <https://docs.aws.amazon.com/ec2/latest/userguide/resource-ids.html>.
fn is_id(word: &str) -> bool {
    let Some((kind, id)) = word.rsplit_once('-') else { return false };
    let is_kind = (1..=20).contains(&kind.len()) && kind.chars().all(|c| c.is_ascii_lowercase() || c == '-');
    is_kind && [8, 17].contains(&id.len()) && id.chars().all(|c| matches!(c, '0'..='9' | 'a'..='f'))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn ids_of_resources_go_out_as_words_and_come_back() {
        let result = json!({
            "contributors": [
                {"dimension": "resource", "members": [{"value": "acme-logs"}, {"value": "acme-logs-archive"}]},
                {"dimension": "service", "members": [{"value": "AmazonS3"}]},
            ],
            "sentence": "52 % of it in arn:aws:rds:us-east-1:222222222222:db:orders-7b6d8dec07769536.",
            "rows": [{"resource_id": "i-0627bcfd5a49cdf95", "cost": 1.5}, {"note": "see vol-0123456789abcdef0"}],
        });
        let mut names = Pseudonyms::default();
        names.learn(&result);
        let hidden = names.hide(&result.to_string());
        for id in ["acme-logs", "arn:aws", "orders", "i-0627", "vol-0123"] {
            assert!(!hidden.contains(id), "{id}: {hidden}");
        }
        assert!(hidden.contains("AmazonS3") && hidden.contains("1.5"));
        assert_eq!(names.show(&hidden), result.to_string());
        let input = json!({"filter": ["resource=resource-1"], "top": 3});
        assert_eq!(names.show_in(input.as_object().expect("an object"))["filter"], json!(["resource=acme-logs"]));
        assert_eq!(names.show("resource-99 and resource-"), "resource-99 and resource-");
    }
}
