//! Older results, put aside once a conversation takes much of the model's window. The model can have them again.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::conversation::{Block, CallResult, Definition, Message};

/// The tool that gives them again.
pub(super) const NAME: &str = "recall_result";
/// Characters of a token, about: results are figures and names.
const CHARACTERS: u64 = 3;
/// Results are put aside once a conversation takes so much of the model's window.
const FULL: f64 = 0.6;
/// The newest results are kept as they are.
const KEPT_RESULTS: usize = 4;
/// Shorter ones would not get any shorter.
const LEAST: usize = 400;

/// Results that are no longer in the messages, by their handle.
#[derive(Default)]
pub(super) struct Shelf(BTreeMap<String, String>);

impl Shelf {
    /// A result that was put aside.
    pub(super) fn get(&self, handle: &str) -> Option<String> {
        self.0.get(handle).cloned()
    }

    /// Puts older results aside where the messages take much of a window of so many tokens.
    pub(super) fn make_room(&mut self, messages: &mut [Message], window: u64) {
        let characters: usize = messages.iter().flat_map(|message| &message.blocks).map(length).sum();
        let tokens = characters as u64 / CHARACTERS;
        if tokens as f64 > window as f64 * FULL {
            self.put_aside(messages, KEPT_RESULTS);
        }
    }

    /// Puts all results but the newest aside; whether there were any.
    pub(super) fn put_aside(&mut self, messages: &mut [Message], kept: usize) -> bool {
        let results = messages.iter_mut().flat_map(|message| &mut message.blocks).filter_map(|block| match block {
            Block::Result(result) => Some(result),
            _ => None,
        });
        let results: Vec<&mut CallResult> = results.collect();
        let old = results.len().saturating_sub(kept);
        let mut any = false;
        for result in results.into_iter().take(old).filter(|result| result.text.len() > LEAST) {
            let handle = format!("result-{}", self.0.len() + 1);
            let text = format!("<result>\nput aside; `{NAME}` with handle {handle} gives it again\n</result>");
            self.0.insert(handle, std::mem::replace(&mut result.text, text));
            any = true;
        }
        any
    }
}

pub(super) fn definition() -> Definition {
    let input = json!({"type": "object", "properties": {"handle": {"type": "string"}}, "required": ["handle"], "additionalProperties": false});
    Definition {
        name: NAME.to_owned(),
        description: "Gives a result that was put aside again, by its handle.".to_owned(),
        input: input.as_object().cloned().unwrap_or_default(),
    }
}

fn length(block: &Block) -> usize {
    match block {
        Block::Text(text) => text.len(),
        Block::Reasoning(own) => own.to_string().len(),
        Block::Call(call) => call.name.len() + Value::Object(call.input.clone()).to_string().len(),
        Block::Result(result) => result.text.len(),
    }
}
