//! Objects of buckets and containers, whoever keeps them: their names in the cache, and fetching them into it. A cached
//! file's name holds a hash of the ETag, so an object that is overwritten is never served stale.

mod fetch;

pub(crate) use self::fetch::{Answer, Fetching, Origin, PART, fetch};

use std::{
    fs,
    path::{Path, PathBuf},
};

use sha2::{Digest, Sha256};

use crate::error::{Error, Result};

/// The folder of the cache for what is fetched.
pub(crate) const FOLDER: &str = "objects";

/// Bytes of a hash in the name of a cached file.
const HASH_BYTES: usize = 16;

/// Characters of a key's end in the name of a cached file.
const MAX_END: usize = 60;

/// An object to fetch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Object {
    /// `s3://bucket`, or what else keys are below.
    pub root: String,
    pub key: String,
    pub etag: String,
    pub size: u64,
    /// Where it is, or will be, in the cache.
    pub path: PathBuf,
}

impl Object {
    /// The name of the file in the database, such as `s3://bucket/key`.
    pub(crate) fn address(&self) -> String {
        format!("{}/{}", self.root, self.key)
    }

    /// Whether the cache has it whole.
    pub(crate) fn is_cached(&self) -> bool {
        fs::metadata(&self.path).is_ok_and(|metadata| metadata.len() == self.size)
    }
}

/// `<cache>/objects/<hash of the address>-<hash of the ETag>-<end of the address>`. What a bucket says is hashed, and of the end,
/// which tells people and readers the format, only letters and digits stay: no name leads out of the folder.
pub(crate) fn cache_path(cache: &Path, address: &str, etag: &str) -> PathBuf {
    let hash = |text: &str| -> String {
        let digest = Sha256::digest(text);
        digest.iter().take(HASH_BYTES).map(|byte| format!("{byte:02x}")).collect()
    };
    let is_plain = |character: &char| character.is_ascii_alphanumeric() || "._-".contains(*character);
    let name: Vec<char> = address.rsplit('/').next().unwrap_or_default().chars().filter(is_plain).collect();
    let end: String = name[name.len().saturating_sub(MAX_END)..].iter().collect();
    cache.join(FOLDER).join(format!("{}-{}-{}", hash(address), hash(etag), end.trim_matches('.')))
}

/// The manifest that a file of the cache is a version of: the hash of its address. Nothing for other files, and for
/// what earlier versions called `<bucket>/<folders>/<ETag>.<name>`.
pub(crate) fn manifest_of(path: &Path) -> Option<&str> {
    let mut parts = path.file_name()?.to_str()?.splitn(3, '-');
    let (object, etag, end) = (parts.next()?, parts.next()?, parts.next()?);
    let is_hash = |text: &str| text.len() == HASH_BYTES * 2 && text.bytes().all(|byte| byte.is_ascii_hexdigit());
    (is_hash(object) && is_hash(etag) && is_manifest(end)).then_some(object)
}

/// An ETag without its quotes.
pub(crate) fn bare(etag: &str) -> String {
    etag.trim_matches('"').to_owned()
}

/// Whether a key is that of a manifest: AWS's end in `-Manifest.json`, Azure's are called `manifest.json`.
pub(crate) fn is_manifest(key: &str) -> bool {
    let name = key.rsplit('/').next().unwrap_or_default().to_lowercase();
    name.ends_with("-manifest.json") || name == "manifest.json"
}

/// Writes a file that is either there whole or not at all.
pub(crate) fn write_whole(path: &Path, bytes: &[u8]) -> Result<()> {
    let cannot_write =
        |e: std::io::Error| Error::input(format!("cannot write to the cache `{}`", path.display())).caused_by(e);
    let folder = path.parent().unwrap_or(path);
    fs::create_dir_all(folder).map_err(cannot_write)?;
    let mut file = tempfile::NamedTempFile::new_in(folder).map_err(cannot_write)?;
    std::io::Write::write_all(&mut file, bytes).map_err(cannot_write)?;
    file.persist(path).map_err(|e| cannot_write(e.error))?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_that_a_bucket_says_leads_out_of_the_cache() {
        let cache = Path::new("/c");
        let long = "x".repeat(3000);
        for hostile in
            ["../../../etc/cron.d/x", "/etc/passwd", "..", ".", "", "a/..", "a\0b", "a\nb\u{1b}[2J", "~/x", &long]
        {
            let (bucket, key) = (format!("s3://{hostile}/k.csv"), format!("s3://b/{hostile}"));
            for (address, etag) in [(bucket.as_str(), "e"), (&key, "e"), ("s3://b/k.csv", hostile)] {
                let path = cache_path(cache, address, etag);
                assert_eq!(path.parent(), Some(Path::new("/c/objects")), "{path:?}");
                let name = path.file_name().and_then(|name| name.to_str()).expect("a name");
                assert!(
                    name.len() < 140 && name.chars().all(|c| c.is_ascii_alphanumeric() || "._-".contains(c)),
                    "{name}"
                );
            }
        }
    }

    #[test]
    fn a_cached_file_is_of_one_address_and_etag() {
        let path = |address, etag| cache_path(Path::new("/c"), address, etag);
        let one = path("s3://b/p/2026/a-00001.csv.gz", "0123");
        assert!(one.to_string_lossy().ends_with("-a-00001.csv.gz"), "{one:?}");
        assert_eq!(one, path("s3://b/p/2026/a-00001.csv.gz", "0123"));
        for other in [
            path("s3://b2/p/2026/a-00001.csv.gz", "0123"),
            path("s3://b/p/2027/a-00001.csv.gz", "0123"),
            path("s3://b/p/2026/a-00001.csv.gz", "0124"),
        ] {
            assert_ne!(one, other);
        }
    }

    #[test]
    fn versions_of_one_manifest_are_known_by_their_names() {
        let path = |key: &str, etag| cache_path(Path::new("/c"), &format!("s3://b/{key}"), etag);
        let (old, new) = (path("p/x-Manifest.json", "1"), path("p/x-Manifest.json", "2"));
        assert!(manifest_of(&old).is_some());
        assert_eq!(manifest_of(&old), manifest_of(&new));
        assert_ne!(manifest_of(&old), manifest_of(&path("q/x-Manifest.json", "1")));
        assert_eq!(manifest_of(&path("p/x.csv", "1")), None);
        assert_eq!(manifest_of(Path::new("/c/objects/b/p/0123.x-Manifest.json")), None, "of an earlier version");
    }
}
