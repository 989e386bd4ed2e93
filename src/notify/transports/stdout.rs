//! The output of the command itself, which shows what is new before anything is sent.

use serde::{Deserialize, Serialize};

use crate::{
    notify::{
        digest::Digest,
        transport::{Sending, Transport},
    },
    web::Failure,
};

#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Settings {}

impl Transport for Settings {
    fn is_terminal(&self) -> bool {
        true
    }

    fn send(&self, _: &Digest, _: &Sending, _: &mut Vec<String>) -> Result<Option<String>, Failure> {
        Ok(None)
    }
}
