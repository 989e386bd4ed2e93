//! Tools of other programs: a client of the Model Context Protocol for the servers that the configuration names. A server is
//! told nothing but the calls, gets no variable of the environment that it is not allowed, and one that fails is left out.

use std::{collections::BTreeMap, path::PathBuf, process::Stdio, time::Duration};

use rmcp::{
    RoleClient, ServiceExt,
    model::{
        CallToolRequestParams, CallToolResult, ClientCapabilities, ClientConfig, ContentBlock, Implementation, Tool,
    },
    service::RunningService,
    transport::{
        StreamableHttpClientTransport, TokioChildProcess, streamable_http_client::StreamableHttpClientTransportConfig,
    },
};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use sha2::{Digest, Sha256};
use tokio::{process::Command, runtime::Handle, time::timeout};

use super::{conversation::Definition, toolbox::Outcome};
use crate::{
    error::{Error, Result},
    inert,
    model::{Stop, cut},
    web::{check_address, secret::Reference},
};

/// Between the name of a server and that of its tool.
const BETWEEN: &str = "__";
/// Providers take names of tools as long as this.
const MOST_NAME: usize = 64;
const MOST_TOOLS: usize = 32;
const MOST_DESCRIPTION: usize = 1_000;
/// Bytes of a schema; longer ones would fill the model's memory.
const MOST_SCHEMA: usize = 8_000;
/// Bytes of an answer.
const MOST_ANSWER: usize = 1 << 20;
/// A child that was told to end may take so long.
const GOODBYE: Duration = Duration::from_secs(2);

/// A server of `agent.mcp_servers`.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Server {
    pub name: String,
    /// The program of a server on stdin and stdout.
    #[serde(default)]
    pub command: String,
    #[serde(default)]
    pub args: Vec<String>,
    /// Names of variables that it may see.
    #[serde(default)]
    pub env_passthrough: Vec<String>,
    /// The address of a server over HTTP instead.
    #[serde(default)]
    pub url: String,
    /// Its bearer token.
    #[serde(default)]
    pub token: Option<Reference>,
    /// Tools that may be called; all of them without.
    #[serde(default)]
    pub tools: Vec<String>,
    #[serde(default = "default_timeout")]
    pub timeout_seconds: u64,
}

fn default_timeout() -> u64 {
    30
}

/// A server that answers.
pub(crate) struct External {
    name: String,
    client: RunningService<RoleClient, ClientConfig>,
    timeout: Duration,
    /// Tools by the names that the model knows.
    tools: BTreeMap<String, Tool>,
}

impl Server {
    /// # Errors
    /// When it has neither a program nor an address, or its name is none for a tool.
    pub(crate) fn check(&self) -> Result<()> {
        let wrong = |what: &str| Err(Error::input(format!("the server `{}` of `agent.mcp_servers` {what}", self.name)));
        let is_plain = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
        if self.name.is_empty()
            || self.name.len() > 24
            || !self.name.chars().all(is_plain)
            || self.name.contains(BETWEEN)
        {
            return wrong("needs a name of at most 24 letters, digits, `-` and single `_`");
        }
        match (self.command.is_empty(), self.url.is_empty()) {
            (true, true) => wrong("needs a `command` or a `url`"),
            (false, false) => wrong("has a `command` and a `url`: it takes one"),
            (true, false) => check_address("agent.mcp_servers.url", &self.url),
            (false, true) if !(1..=600).contains(&self.timeout_seconds) => {
                wrong("needs `timeout_seconds` from 1 to 600")
            }
            _ => Ok(()),
        }
    }
}

impl External {
    /// Starts a server, or connects to it, and asks for its tools.
    ///
    /// # Errors
    /// When it does not start, or does not answer in time.
    pub(crate) fn connect(server: &Server, runtime: &Handle) -> Result<Self> {
        server.check()?;
        let time = Duration::from_secs(server.timeout_seconds);
        let failed = |cause: String| {
            Error::remote(format!("the MCP server `{}` does not answer, and is left out", server.name))
                .cause(cut(&inert::one_line(&cause), 300))
        };
        let late = |_| failed(format!("not within {} s", server.timeout_seconds));
        let own = Implementation::new(env!("CARGO_PKG_NAME"), env!("CARGO_PKG_VERSION"));
        let client = ClientConfig::new(ClientCapabilities::default(), own);
        let (client, listed) = runtime.block_on(async {
            let begun = async {
                if server.url.is_empty() {
                    let child = child(server).map_err(|e| failed(e.to_string()))?;
                    client.serve(child).await.map_err(|e| failed(e.to_string()))
                } else {
                    let mut config = StreamableHttpClientTransportConfig::with_uri(server.url.as_str())
                        .max_json_response_size(MOST_ANSWER)
                        .max_sse_event_size(MOST_ANSWER);
                    if let Some(token) = &server.token {
                        config = config.auth_header(token.read()?.expose());
                    }
                    let transport = StreamableHttpClientTransport::from_config(config);
                    client.serve(transport).await.map_err(|e| failed(e.to_string()))
                }
            };
            let client = timeout(time, begun).await.map_err(late)??;
            let listed =
                timeout(time, client.list_all_tools()).await.map_err(late)?.map_err(|e| failed(e.to_string()))?;
            Ok::<_, Error>((client, listed))
        })?;
        let is_allowed = |tool: &Tool| server.tools.is_empty() || server.tools.iter().any(|name| *name == tool.name);
        let fits = |tool: &Tool| Value::Object((*tool.input_schema).clone()).to_string().len() <= MOST_SCHEMA;
        let named = |tool: Tool| Some((name(&server.name, &tool.name)?, tool));
        let tools = listed.into_iter().filter(is_allowed).filter(fits).take(MOST_TOOLS).filter_map(named).collect();
        Ok(Self { name: server.name.clone(), client, timeout: time, tools })
    }

    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// The tools by their names, with what they are known by: another description or schema is another tool.
    pub(crate) fn fingerprints(&self) -> BTreeMap<String, String> {
        let print = |(name, tool): (&String, &Tool)| {
            let text = format!("{:?}\n{}", tool.description, Value::Object((*tool.input_schema).clone()));
            let digest = Sha256::digest(text.as_bytes());
            (name.clone(), digest.iter().map(|byte| format!("{byte:02x}")).collect())
        };
        self.tools.iter().map(print).collect()
    }

    /// The same as a model is told.
    pub(crate) fn definitions(&self) -> Vec<Definition> {
        let definition = |(name, tool): (&String, &Tool)| {
            let about = inert::one_line(tool.description.as_deref().unwrap_or_default()).into_owned();
            let description =
                format!("Of the external server `{}`, in its own words: {}", self.name, cut(&about, MOST_DESCRIPTION));
            Definition { name: name.clone(), description, input: (*tool.input_schema).clone() }
        };
        self.tools.iter().map(definition).collect()
    }

    pub(crate) fn has(&self, name: &str) -> bool {
        self.tools.contains_key(name)
    }

    /// Calls a tool.
    ///
    /// # Errors
    /// When it does not answer in time, dies, or says that it failed.
    pub(crate) fn call(
        &self,
        name: &str,
        input: &Map<String, Value>,
        stop: &Stop,
        runtime: &Handle,
    ) -> Result<Outcome> {
        let tool = self.tools.get(name).ok_or_else(|| Error::usage(format!("there is no tool `{name}`")))?;
        let failed = |cause: String| {
            Error::remote(format!("`{name}` does not answer")).cause(cut(&inert::one_line(&cause), 300))
        };
        let (told, stopped) = tokio::sync::oneshot::channel::<()>();
        let told = std::sync::Mutex::new(Some(told));
        stop.then(move || drop(told.lock().unwrap_or_else(std::sync::PoisonError::into_inner).take()));
        let params = CallToolRequestParams::new(tool.name.clone()).with_arguments(input.clone());
        let result = runtime.block_on(async {
            tokio::select! {
                result = timeout(self.timeout, self.client.call_tool(params)) => match result {
                    Ok(result) => result.map_err(|e| failed(e.to_string())),
                    Err(_) => Err(failed(format!("not within {} s", self.timeout.as_secs()))),
                },
                _ = stopped => Err(failed("it was stopped".to_owned())),
            }
        })?;
        let outcome = outcome(result);
        if outcome.1 { Err(Error::input(cut(&outcome.0.text, 2_000))) } else { Ok(outcome.0) }
    }

    /// Ends it.
    pub(crate) fn end(self, runtime: &Handle) {
        // One that does not end by itself is killed with its handle.
        let _ = runtime.block_on(async { timeout(GOODBYE, self.client.cancel()).await });
    }
}

/// The name of a tool for the model.
fn name(server: &str, tool: &str) -> Option<String> {
    let plain: String = tool.chars().map(|c| if c.is_ascii_alphanumeric() || c == '-' { c } else { '_' }).collect();
    let name = format!("{server}{BETWEEN}{plain}");
    (name.len() <= MOST_NAME).then_some(name)
}

/// The program of a server, which sees nothing of the environment but what is allowed.
fn child(server: &Server) -> std::io::Result<TokioChildProcess> {
    let mut command = Command::new(program(&server.command));
    command.args(&server.args).env_clear();
    for variable in &server.env_passthrough {
        command.envs(std::env::var_os(variable).map(|value| (variable, value)));
    }
    let (child, _) = TokioChildProcess::builder(command).stderr(Stdio::null()).spawn()?;
    Ok(child)
}

/// Where a program is: without an environment, it would be looked for elsewhere.
fn program(command: &str) -> PathBuf {
    let found = |paths: std::ffi::OsString| {
        std::env::split_paths(&paths).map(|folder| folder.join(command)).find(|path| path.is_file())
    };
    let is_path = command.contains(std::path::MAIN_SEPARATOR);
    let named = || std::env::var_os("PATH").and_then(found);
    if is_path { command.into() } else { named().unwrap_or_else(|| command.into()) }
}

/// The texts of a result and its JSON, and whether it is an error.
fn outcome(result: CallToolResult) -> (Outcome, bool) {
    let texts: Vec<String> = result
        .content
        .iter()
        .filter_map(|block| match block {
            ContentBlock::Text(text) => Some(text.text.clone()),
            _ => None,
        })
        .collect();
    let structured = result.structured_content.unwrap_or_default();
    let text = match texts.is_empty() {
        true => structured.to_string(),
        false => texts.join("\n"),
    };
    let text: String = inert::lines(&text).chars().take(MOST_ANSWER).collect();
    let known = serde_json::json!({"text": text, "structured": structured});
    (Outcome { text, structured: known, source: None, is_of_now: true }, result.is_error.unwrap_or(false))
}
