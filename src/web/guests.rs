//! The `server` section of the configuration: who may ask this program.

use serde::{Deserialize, Serialize};

use super::secret::Reference;

/// Who may ask over HTTP.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Guests {
    /// Bearer tokens, one of which a request must have.
    pub tokens: Vec<Reference>,
    /// Names by which the server is reached beside localhost, such as that of a proxy.
    pub hosts: Vec<String>,
}
