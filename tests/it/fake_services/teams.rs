//! Teams: <https://adaptivecards.io/explorer> and
//! <https://learn.microsoft.com/microsoftteams/platform/webhooks-and-connectors/how-to/add-incoming-webhook>

use serde_json::{Value, json};

use super::{
    Received,
    checks::{
        as_json, check_fields, check_json, check_name, check_optional_word, check_text, check_url, check_word, empty,
        is_count, parts,
    },
};
use crate::http::Answer;

pub(super) fn answer(request: &Received, wrong: &mut Vec<String>) -> Answer {
    if request.raw.len() > 28 * 1024 {
        wrong.push(format!("{} bytes are more than 28 KB", request.raw.len()));
        return as_json(
            413,
            &json!({"error": {"code": "RequestEntityTooLarge", "message": "Request Entity too large"}}),
        );
    }
    check_json(request, wrong);
    check_fields(&request.body, &["type", "attachments", "summary"], "a message", wrong);
    check_word(&request.body["type"], &["message"], "the type of a message", wrong);
    for attachment in parts(&request.body["attachments"], 1, "attachments", wrong) {
        // Microsoft's own example has an empty `contentUrl`.
        for (key, _) in attachment.as_object().into_iter().flatten() {
            check_name(key, &["contentType", "contentUrl", "content"], "an attachment", wrong);
        }
        check_word(&attachment["contentType"], &["application/vnd.microsoft.card.adaptive"], "contentType", wrong);
        check_card(&attachment["content"], wrong);
    }
    if wrong.is_empty() {
        return empty(202);
    }
    let message = format!("The input body for trigger 'manual' did not match its schema definition: {wrong:?}");
    as_json(400, &json!({"error": {"code": "TriggerInputSchemaMismatch", "message": message}}))
}

fn check_card(card: &Value, wrong: &mut Vec<String>) {
    let known = ["type", "version", "$schema", "body", "actions", "msteams", "fallbackText", "speak", "lang"];
    check_fields(card, &known, "a card", wrong);
    check_word(&card["type"], &["AdaptiveCard"], "the type of a card", wrong);
    check_word(&card["version"], &["1.4", "1.5"], "the version of a card", wrong);
    let schemas = ["http", "https"].map(|scheme| format!("{scheme}://adaptivecards.io/schemas/adaptive-card.json"));
    check_word(&card["$schema"], &schemas.each_ref().map(String::as_str), "$schema", wrong);
    for element in parts(&card["body"], usize::MAX, "the body of a card", wrong) {
        check_element(element, wrong);
    }
    if !card["actions"].is_null() {
        for action in parts(&card["actions"], 6, "the actions of a card", wrong) {
            check_action(action, wrong);
        }
    }
    if !card["msteams"].is_null() {
        check_fields(&card["msteams"], &["width", "entities"], "msteams", wrong);
    }
}

/// Words that some fields of elements have the choice of.
const WORDS: [(&str, &[&str]); 7] = [
    ("size", &["default", "small", "medium", "large", "extraLarge"]),
    ("weight", &["default", "lighter", "bolder"]),
    ("color", &["default", "dark", "light", "accent", "good", "warning", "attention"]),
    ("spacing", &["default", "none", "small", "medium", "large", "extraLarge", "padding"]),
    ("fontType", &["default", "monospace"]),
    ("horizontalAlignment", &["left", "center", "right"]),
    ("height", &["auto", "stretch"]),
];

fn check_element(element: &Value, wrong: &mut Vec<String>) {
    let kind = element["type"].as_str().unwrap_or_default();
    let own: &[&str] = match kind {
        "TextBlock" => &[
            "text",
            "color",
            "fontType",
            "horizontalAlignment",
            "isSubtle",
            "maxLines",
            "size",
            "weight",
            "wrap",
            "style",
        ],
        "FactSet" => &["facts"],
        "Container" => &["items", "selectAction", "style", "bleed", "minHeight", "verticalContentAlignment"],
        "ColumnSet" => &["columns", "selectAction", "style", "bleed", "minHeight", "horizontalAlignment"],
        "Column" => &["items", "selectAction", "style", "bleed", "minHeight", "verticalContentAlignment", "width"],
        _ => {
            wrong.push(format!("an element of type {}", element["type"]));
            return;
        }
    };
    let shared = ["type", "id", "spacing", "separator", "isVisible", "height"];
    check_fields(element, &[&shared, own].concat(), kind, wrong);
    for (field, words) in WORDS {
        check_optional_word(&element[field], words, &format!("{kind}: {field}"), wrong);
    }
    for field in ["wrap", "isSubtle", "separator", "isVisible", "bleed"] {
        if !element[field].is_null() && !element[field].is_boolean() {
            wrong.push(format!("{kind}: {field} is {}", element[field]));
        }
    }
    let styles: &[&str] = if kind == "TextBlock" {
        &["default", "heading", "columnHeader"]
    } else {
        &["default", "emphasis", "good", "attention", "warning", "accent"]
    };
    check_optional_word(&element["style"], styles, &format!("{kind}: style"), wrong);
    if !element["selectAction"].is_null() {
        check_action(&element["selectAction"], wrong);
    }
    match kind {
        "TextBlock" => {
            check_text(&element["text"], usize::MAX, "the text of a TextBlock", wrong);
            if !element["maxLines"].is_null() && !is_count(&element["maxLines"]) {
                wrong.push(format!("TextBlock: maxLines is {}", element["maxLines"]));
            }
        }
        "FactSet" => {
            for fact in parts(&element["facts"], usize::MAX, "facts", wrong) {
                check_fields(fact, &["title", "value"], "a fact", wrong);
                check_text(&fact["title"], usize::MAX, "the title of a fact", wrong);
                check_text(&fact["value"], usize::MAX, "the value of a fact", wrong);
            }
        }
        "ColumnSet" => {
            for column in parts(&element["columns"], usize::MAX, "columns", wrong) {
                check_word(&column["type"], &["Column"], "the type of a column", wrong);
                check_element(column, wrong);
            }
        }
        _ => {
            let width = &element["width"];
            let is_width = |text: &str| {
                let number = text.strip_suffix("px").unwrap_or(text);
                ["auto", "stretch"].contains(&text) || number.parse::<u32>().is_ok()
            };
            if !width.is_null() && !width.is_number() && !width.as_str().is_some_and(is_width) {
                wrong.push(format!("Column: width is {width}"));
            }
            for item in parts(&element["items"], usize::MAX, "items", wrong) {
                check_element(item, wrong);
            }
        }
    }
}

fn check_action(action: &Value, wrong: &mut Vec<String>) {
    check_word(&action["type"], &["Action.OpenUrl"], "the type of an action", wrong);
    let known = ["type", "title", "url", "style", "id", "iconUrl", "tooltip", "mode"];
    check_fields(action, &known, "an action", wrong);
    check_text(&action["title"], usize::MAX, "the title of an action", wrong);
    check_url(&action["url"], usize::MAX, "the url of an action", wrong);
    check_optional_word(&action["style"], &["default", "positive", "destructive"], "the style of an action", wrong);
}
