//! A file that messages are added to, for what reads files: text, or a JSON object on each line.

use std::{fs::OpenOptions, io::Write, path::PathBuf};

use serde::{Deserialize, Serialize};

use crate::{
    notify::{
        digest::Digest,
        transport::{Sending, Transport},
    },
    web::Failure,
};

#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Settings {
    pub path: PathBuf,
    #[serde(default)]
    pub format: FileFormat,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum FileFormat {
    #[default]
    Text,
    /// The digest of docs/ALERTS.md, one a line.
    Json,
}

impl Transport for Settings {
    fn send(&self, digest: &Digest, _: &Sending, _: &mut Vec<String>) -> Result<Option<String>, Failure> {
        let text = match self.format {
            FileFormat::Text => format!("{} {}", digest.as_of, digest.plain()) + "\n",
            FileFormat::Json => serde_json::to_string(digest).map_err(|e| Failure::refused(e.to_string()))? + "\n",
        };
        let opened = OpenOptions::new().create(true).append(true).open(&self.path);
        let written = opened.and_then(|mut file| file.write_all(text.as_bytes()));
        written.map(|()| None).map_err(|e| Failure::later(format!("cannot write `{}`: {e}", self.path.display())))
    }
}
