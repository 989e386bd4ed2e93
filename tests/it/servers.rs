//! Servers that others wrote, run by the Python that scripts/test.sh installs beside the build: SMTP (aiosmtpd) and
//! certificates for TLS (trustme).

use std::{
    io::{BufRead, BufReader, Write},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
};

use serde_json::Value;
use tempfile::TempDir;

/// The Python with the servers, or `None` with a word on stderr where there is none.
pub(crate) fn python(what: &str) -> Option<PathBuf> {
    let beside = Path::new(env!("CARGO_BIN_EXE_aws-cost-anomalies")).parent()?.parent()?.join("moto/bin/python");
    let python = std::env::var_os("MOTO_PYTHON").map_or(beside, PathBuf::from);
    if python.exists() {
        return Some(python);
    }
    assert!(std::env::var_os("AWS_COST_TESTS_NEED_MOTO").is_none(), "there is no {}", python.display());
    let _ = writeln!(
        std::io::stderr(),
        "not tested here: {what}, since there is no {} (scripts/test.sh installs it)",
        python.display()
    );
    None
}

/// A folder beside the build with packages of npm, or `None` with a word on stderr where there is none.
pub(crate) fn npm(folder: &str, what: &str) -> Option<PathBuf> {
    let folder = Path::new(env!("CARGO_BIN_EXE_aws-cost-anomalies")).parent()?.parent()?.join(folder);
    if folder.join("node").exists() {
        return Some(folder);
    }
    let _ = writeln!(
        std::io::stderr(),
        "not tested here: {what}, since there is no {} (scripts/test.sh installs it)",
        folder.display()
    );
    None
}

/// A server that ends with the test.
pub(crate) struct Server {
    child: Child,
    folder: TempDir,
    pub port: u16,
}

impl Server {
    /// Starts tests/it/servers.py, where there is a Python for it.
    pub(crate) fn start(arguments: &[&str]) -> Option<Self> {
        let python = python("SMTP and TLS")?;
        let folder = TempDir::new().expect("a folder");
        let mut child = Command::new(python)
            .arg(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/it/servers.py"))
            .args(arguments)
            .arg("--folder")
            .arg(folder.path())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("python runs");
        let mut port = String::new();
        BufReader::new(child.stdout.take().expect("a pipe")).read_line(&mut port).expect("a port");
        Some(Self { child, folder, port: port.trim().parse().expect("a port") })
    }

    /// The certificate authority to trust.
    pub(crate) fn ca(&self) -> PathBuf {
        self.folder.path().join("ca.pem")
    }

    pub(crate) fn received(&self) -> Vec<Value> {
        let text = std::fs::read_to_string(self.folder.path().join("received.jsonl")).expect("a record");
        text.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill().and_then(|()| self.child.wait());
    }
}
