//! Answers that come bit by bit, such as those of language models.

use std::time::Duration;

use bytes::Bytes;
use futures_util::{Stream, stream};
use reqwest::{Client, Response, header::CONTENT_TYPE, redirect::Policy};
use serde_json::Value;

use super::{FIRST_WAIT, Failure, MOST_BODY, causes, not_sent, pause, refusal, secret::Secret};
use crate::error::{Error, Result};

/// Attempts at a request, until its answer begins.
const ATTEMPTS: u32 = 3;
const CONNECT: Duration = Duration::from_secs(10);
/// A server that says nothing for so long has gone.
const SILENCE: Duration = Duration::from_secs(120);

/// A client for answers that come bit by bit.
pub(crate) struct EventHttp {
    client: Client,
}

/// An answer that has begun.
pub(crate) struct Events(Response);

impl EventHttp {
    /// # Errors
    /// When TLS cannot be set up.
    pub(crate) fn new() -> Result<Self> {
        let client = Client::builder()
            .redirect(Policy::none())
            .connect_timeout(CONNECT)
            .read_timeout(SILENCE)
            .user_agent(concat!(env!("CARGO_PKG_NAME"), "/", env!("CARGO_PKG_VERSION")))
            .build()
            .map_err(|e| Error::input("cannot set up the connection to the web").cause(causes(&e)))?;
        Ok(Self { client })
    }

    /// Sends JSON; `secrets` appear in no error.
    ///
    /// # Errors
    /// When all attempts failed, or the service refused it.
    pub(crate) async fn post(
        &self,
        address: &str,
        secrets: &[&Secret],
        headers: &[(&str, &str)],
        body: &Value,
    ) -> Result<Events, Failure> {
        let redact = |text: &str| secrets.iter().fold(text.to_owned(), |text, secret| secret.redact(&text));
        let body = body.to_string();
        let mut wait = FIRST_WAIT;
        let mut attempt = 1;
        loop {
            let request = self.client.post(address).header(CONTENT_TYPE, "application/json").body(body.clone());
            let request = headers.iter().fold(request, |request, (name, value)| request.header(*name, *value));
            let failed = match request.send().await {
                Ok(response) if response.status().is_success() => return Ok(Events(response)),
                Ok(response) => {
                    let (status, headers) = (response.status(), response.headers().clone());
                    let said = Events(response).text(MOST_BODY as usize).await.unwrap_or_default();
                    refusal(status, &headers, &redact(&said))
                }
                Err(error) => not_sent(error, &redact),
            };
            let Some(pause) = pause(&failed, attempt, ATTEMPTS, wait) else { return Err(failed) };
            tokio::time::sleep(pause).await;
            wait *= 2;
            attempt += 1;
        }
    }
}

impl Events {
    /// What comes, until it ends or is longer than `most` bytes, which is an error.
    pub(crate) fn bytes(self, most: usize) -> impl Stream<Item = Result<Bytes, std::io::Error>> + Unpin {
        let next = move |(mut response, left): (Response, usize)| async move {
            match response.chunk().await {
                Ok(None) => None,
                Ok(Some(bytes)) => match left.checked_sub(bytes.len()) {
                    Some(left) => Some((Ok(bytes), (response, left))),
                    None => {
                        Some((Err(std::io::Error::other(format!("it is longer than {most} bytes"))), (response, 0)))
                    }
                },
                Err(error) => Some((Err(std::io::Error::other(causes(&error.without_url()))), (response, 0))),
            }
        };
        Box::pin(stream::unfold((self.0, most), next))
    }

    /// All of it.
    ///
    /// # Errors
    /// When it breaks off, or is longer than `most` bytes.
    pub(crate) async fn text(mut self, most: usize) -> Result<String, Failure> {
        let mut bytes = Vec::new();
        while let Some(more) = self.0.chunk().await.map_err(|e| Failure::later(causes(&e.without_url())))? {
            bytes.extend_from_slice(&more);
            if bytes.len() > most {
                return Err(Failure::refused(format!("the answer is longer than {most} bytes")));
            }
        }
        Ok(String::from_utf8_lossy(&bytes).into_owned())
    }
}
