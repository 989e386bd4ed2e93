//! Resources of the MCP server: what there is to know without a question.

use rmcp::model::{ReadResourceResult, Resource as Listed, ResourceContents, ResourceTemplate};
use serde_json::{Map, Value, json};

use crate::{
    error::Result,
    operations::{Session, tools},
};

/// What the tables and their columns mean.
const SCHEMA: &str = include_str!("../../docs/DATA.md");
const INCIDENTS: &str = "costs://incidents/";

/// One that is read.
pub(super) enum Resource {
    Schema,
    Status,
    OpenIncidents,
    Incident(String),
}

/// Those that are listed.
pub(super) fn all() -> Vec<Listed> {
    let listed = |uri: &str, name: &str, description: &str, kind: &str| {
        Listed::new(uri, name).with_description(description).with_mime_type(kind)
    };
    vec![
        listed("costs://schema", "schema", "Tables and columns for run_sql, and what they mean", "text/markdown"),
        listed("costs://status", "status", "What data there is, how new and how complete it is", "text/plain"),
        listed(
            "costs://incidents/open",
            "open_incidents",
            "Incidents that go on, or were seen within three days",
            "text/plain",
        ),
    ]
}

pub(super) fn templates() -> Vec<ResourceTemplate> {
    let incident = ResourceTemplate::new("costs://incidents/{id}", "incident")
        .with_description("One incident with its history and its causes, by its id or the beginning of it")
        .with_mime_type("text/plain");
    vec![incident]
}

impl Resource {
    /// The resource of an address, if there is one.
    pub(super) fn of(uri: &str) -> Option<Self> {
        match uri {
            "costs://schema" => Some(Resource::Schema),
            "costs://status" => Some(Resource::Status),
            "costs://incidents/open" => Some(Resource::OpenIncidents),
            uri => {
                let id = uri.strip_prefix(INCIDENTS)?;
                let is_id = !id.is_empty() && id.chars().all(|c| c.is_ascii_alphanumeric());
                is_id.then(|| Resource::Incident(id.to_owned()))
            }
        }
    }

    /// # Errors
    /// As the operations that it is made of.
    pub(super) fn read(&self, session: &Session) -> Result<String> {
        let ask = |tool: &tools::Tool, given: Value| -> Result<String> {
            let given: Map<String, Value> = given.as_object().cloned().unwrap_or_default();
            Ok(tool.call(session, &given)?.text)
        };
        match self {
            Resource::Schema => Ok(SCHEMA.to_owned()),
            Resource::Status => ask(tools::find("get_data_status")?, json!({})),
            Resource::OpenIncidents => ask(tools::find("list_incidents")?, json!({})),
            Resource::Incident(id) => {
                let shown = ask(&tools::INCIDENT, json!({"id": id}))?;
                // A closed incident may be of days that are not there any more.
                let why =
                    ask(tools::find("explain_cost")?, json!({"id": id})).unwrap_or_else(|error| error.to_string());
                Ok(format!("{shown}\n{why}"))
            }
        }
    }
}

/// What is read, as the protocol has it.
pub(super) fn contents(uri: &str, text: String) -> ReadResourceResult {
    let kind = if uri == "costs://schema" { "text/markdown" } else { "text/plain" };
    ReadResourceResult::new(vec![ResourceContents::TextResourceContents {
        uri: uri.to_owned(),
        mime_type: Some(kind.to_owned()),
        text,
        meta: None,
    }])
}
