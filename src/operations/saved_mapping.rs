//! Mappings of the configuration: found by name, and written once they have proved right.

use std::{
    io::Write,
    path::{Path, PathBuf},
};

use super::Session;
use crate::{
    config::with_mapping,
    error::{Error, Result, nearest},
    sources::mapping::Mapping,
};

/// The mapping of this name.
///
/// # Errors
/// When the configuration has none.
pub(super) fn named(name: &str, session: &Session) -> Result<Mapping> {
    let saved = &session.config().mappings;
    saved.get(name).cloned().ok_or_else(|| {
        let error = Error::usage(format!("there is no mapping `{name}` in the configuration"));
        match nearest(name, saved.keys().map(String::as_str)) {
            Some(near) => error.hint(format!("did you mean `{near}`?")),
            None => error.hint(format!(
                "write it once: `ingest FILE --map date=COLUMN --map cost=COLUMN --save-mapping {name}`"
            )),
        }
    })
}

/// A configuration with a mapping in it, to be written once the mapping has proved right.
pub(super) struct Saving {
    path: PathBuf,
    text: String,
}

impl Saving {
    /// # Errors
    /// When the configuration cannot be read, or does not take the mapping.
    pub(super) fn plan(name: &str, mapping: &Mapping, session: &Session) -> Result<Self> {
        let path = session.config_file().map(Path::to_owned).unwrap_or_else(|| "config.yaml".into());
        let failed = |e: std::io::Error| Error::input(format!("cannot read `{}`", path.display())).caused_by(e);
        let text = match std::fs::read_to_string(&path) {
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => String::new(),
            read => read.map_err(failed)?,
        };
        let text = with_mapping(&text, name, mapping)
            .map_err(|e| e.context(format!("cannot save the mapping in `{}`", path.display())))?;
        Ok(Self { path, text })
    }

    /// Writes beside the file, then over it: half a configuration is none.
    ///
    /// # Errors
    /// When the folder of the configuration cannot be written to.
    pub(super) fn write(&self, session: &Session) -> Result<()> {
        let failed = |e: std::io::Error| Error::input(format!("cannot write `{}`", self.path.display())).caused_by(e);
        let target = std::fs::canonicalize(&self.path).unwrap_or_else(|_| self.path.clone());
        let folder = target.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(".".as_ref());
        let mut file = tempfile::NamedTempFile::new_in(folder).map_err(failed)?;
        file.write_all(self.text.as_bytes()).map_err(failed)?;
        let permissions = std::fs::metadata(&target).map(|metadata| metadata.permissions());
        if let Ok(permissions) = permissions {
            file.as_file().set_permissions(permissions).map_err(failed)?;
        }
        file.persist(&target).map_err(|e| failed(e.error))?;
        session.reporter().note(&format!("wrote the mapping into `{}`", self.path.display()));
        Ok(())
    }
}
