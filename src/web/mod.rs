//! One way to services on the web: retries, the times that they ask for, and errors without addresses, which are
//! secrets here.

mod events;
mod guests;
pub(crate) mod secret;
mod signer;

use std::{io::Read, thread, time::Duration};

use chrono::{DateTime, NaiveDateTime, TimeDelta, Utc};
use reqwest::{
    Method, StatusCode, Url,
    blocking::{Client, RequestBuilder, Response},
    header::{HeaderMap, RETRY_AFTER},
    redirect::Policy,
};

use self::secret::Secret;
pub(crate) use self::{
    events::{EventHttp, Events},
    guests::{Guests, Scope, Token},
    signer::Signer,
};
use crate::{
    error::{Error, Result},
    inert,
    model::cut,
};

/// The first wait between two attempts; each further one is twice as long.
const FIRST_WAIT: Duration = Duration::from_millis(500);
/// A service that asks for a longer wait is tried again at the next run.
const LONGEST_WAIT: Duration = Duration::from_secs(30);
/// No service is left alone for longer.
pub(crate) const LONGEST_REST: TimeDelta = TimeDelta::hours(6);
/// Bytes of an answer that are read; no service that is used here says more. What is longer is cut, and then mostly no
/// JSON any more, which is said by whoever reads it.
const MOST_BODY: u64 = 1 << 20;
/// The same of an answer that is data.
const MOST_DATA: u64 = 64 << 20;
/// Characters of an answer that an error shows.
const SHOWN: usize = 200;

/// Why a message did not arrive.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Failure {
    pub error: String,
    /// Before this time there is no use in trying again.
    pub not_before: Option<NaiveDateTime>,
    pub kind: Kind,
}

/// What a failure asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Time: the service is not reached, or busy.
    Later,
    /// A hand on the configuration: an address, a permission, a certificate.
    Settings,
    /// Nothing helps: the service does not want this message.
    Refused,
}

/// What a service answered.
#[derive(Debug)]
pub(crate) struct Answer {
    pub body: String,
}

/// A client for the web.
pub(crate) struct Http {
    client: Client,
    attempts: u32,
}

impl Failure {
    pub(crate) fn refused(error: impl Into<String>) -> Self {
        Self { error: error.into(), not_before: None, kind: Kind::Refused }
    }

    pub(crate) fn settings(error: impl Into<String>) -> Self {
        Self { error: error.into(), not_before: None, kind: Kind::Settings }
    }

    pub(crate) fn later(error: impl Into<String>) -> Self {
        Self { error: error.into(), not_before: None, kind: Kind::Later }
    }

    /// The same as an error of the program.
    pub(crate) fn to_error(&self, message: String) -> Error {
        let error = if self.kind == Kind::Settings { Error::input(message) } else { Error::remote(message) };
        error.cause(&self.error)
    }
}

impl Http {
    /// # Errors
    /// When TLS cannot be set up.
    pub(crate) fn new(attempts: u32, timeout: Duration) -> Result<Self> {
        // An address that is a secret is not to be sent on to wherever an answer points.
        let client = Client::builder()
            .redirect(Policy::none())
            .timeout(timeout)
            .connect_timeout(timeout)
            .user_agent(concat!(env!("CARGO_PKG_NAME"), "/", env!("CARGO_PKG_VERSION")))
            .build()
            .map_err(|e| Error::input("cannot set up the connection to the web").cause(causes(&e)))?;
        Ok(Self { client, attempts })
    }

    /// A request with a body; `secrets` appear in no error.
    ///
    /// # Errors
    /// When all attempts failed, or the service refused it.
    pub(crate) fn post(
        &self,
        address: &str,
        secrets: &[&Secret],
        prepare: impl Fn(RequestBuilder) -> RequestBuilder,
    ) -> Result<Answer, Failure> {
        self.send(Method::POST, address, MOST_BODY, secrets, prepare)
    }

    /// A request for what is at an address, as far as [`MOST_DATA`]; `secrets` appear in no error.
    ///
    /// # Errors
    /// As [`Http::post`].
    pub(crate) fn get(
        &self,
        address: &str,
        query: &[(&str, String)],
        secrets: &[&Secret],
        prepare: impl Fn(RequestBuilder) -> RequestBuilder,
    ) -> Result<Answer, Failure> {
        self.send(Method::GET, address, MOST_DATA, secrets, |request| prepare(request.query(query)))
    }

    fn send(
        &self,
        method: Method,
        address: &str,
        most: u64,
        secrets: &[&Secret],
        prepare: impl Fn(RequestBuilder) -> RequestBuilder,
    ) -> Result<Answer, Failure> {
        let redact = |text: &str| secrets.iter().fold(text.to_owned(), |text, secret| secret.redact(&text));
        let mut wait = FIRST_WAIT;
        let mut attempt = 1;
        loop {
            let failed = match prepare(self.client.request(method.clone(), address)).send() {
                Ok(response) => {
                    let (status, headers) = (response.status(), response.headers().clone());
                    let body = beginning(response, most);
                    if status.is_success() {
                        return Ok(Answer { body });
                    }
                    refusal(status, &headers, &redact(&body))
                }
                Err(error) => not_sent(error, &redact),
            };
            let Some(pause) = pause(&failed, attempt, self.attempts, wait) else { return Err(failed) };
            thread::sleep(pause);
            wait *= 2;
            attempt += 1;
        }
    }
}

/// A request that had no answer.
fn not_sent(error: reqwest::Error, redact: &dyn Fn(&str) -> String) -> Failure {
    let error = error.without_url();
    let text = redact(&causes(&error));
    // A certificate does not get better within seconds.
    let is_final = text.contains("certificate") || error.is_builder();
    if is_final { Failure::settings(text) } else { Failure::later(text) }
}

/// How long to wait before the next attempt; none when there is no use in one, or they are used up.
fn pause(failed: &Failure, attempt: u32, attempts: u32, wait: Duration) -> Option<Duration> {
    tracing::debug!(attempt, error = failed.error, "a request failed");
    let asked = failed.not_before.map(|time| (time - Utc::now().naive_utc()).to_std().unwrap_or_default());
    let pause = asked.unwrap_or(wait);
    (failed.kind == Kind::Later && attempt < attempts && pause <= LONGEST_WAIT).then_some(pause)
}

/// The text of an answer, as far as it is read.
fn beginning(response: Response, most: u64) -> String {
    let mut bytes = Vec::new();
    // What came before it broke off may say why.
    let _ = response.take(most).read_to_end(&mut bytes);
    String::from_utf8_lossy(&bytes).into_owned()
}

fn refusal(status: StatusCode, headers: &HeaderMap, body: &str) -> Failure {
    let said = cut(&inert::one_line(body), SHOWN);
    let error = match status.canonical_reason() {
        Some(reason) => format!("{} {reason}", status.as_u16()),
        None => status.as_u16().to_string(),
    };
    let error = if said.trim().is_empty() { error } else { format!("{error}: {said}") };
    if status.is_redirection() {
        return Failure::settings(format!("{error}: it points to another address, which is to be configured itself"));
    }
    let passes = status.is_server_error()
        || [StatusCode::REQUEST_TIMEOUT, StatusCode::TOO_EARLY, StatusCode::TOO_MANY_REQUESTS].contains(&status);
    let of_message = [StatusCode::BAD_REQUEST, StatusCode::PAYLOAD_TOO_LARGE, StatusCode::UNPROCESSABLE_ENTITY];
    let kind = match (passes, of_message.contains(&status)) {
        (true, _) => Kind::Later,
        (_, true) => Kind::Refused,
        _ => Kind::Settings,
    };
    // A service that refuses has no say in when to try again.
    let not_before = retry_after(headers, Utc::now()).filter(|_| kind == Kind::Later);
    Failure { error, not_before, kind }
}

/// The time that a `Retry-After` header asks for, in seconds or as a date:
/// <https://www.rfc-editor.org/rfc/rfc9110#field.retry-after>.
pub(crate) fn retry_after(headers: &HeaderMap, now: DateTime<Utc>) -> Option<NaiveDateTime> {
    let text = headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
    let time = match text.parse::<u32>() {
        Ok(seconds) => now + chrono::Duration::seconds(i64::from(seconds)),
        Err(_) => DateTime::parse_from_rfc2822(text).ok()?.to_utc(),
    };
    Some(time.min(now + LONGEST_REST).naive_utc())
}

/// An error with all that lies below it.
pub(crate) fn causes(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(below) = source {
        let below_text = below.to_string();
        if !text.contains(&below_text) {
            text += &format!(": {below_text}");
        }
        source = below.source();
    }
    text
}

/// # Errors
/// When an address would show the message, and the secret in itself, to everybody on the way.
pub(crate) fn check_address(key: &str, address: &str) -> Result<()> {
    let is_here = |url: &Url| matches!(url.host_str(), Some("127.0.0.1" | "localhost" | "[::1]"));
    match Url::parse(address) {
        Ok(url) if url.scheme() == "https" || url.scheme() == "http" && is_here(&url) => Ok(()),
        _ => Err(Error::input(format!("`{key}` must be an address that begins with https://"))
            .hint("http:// is for this machine alone (127.0.0.1, localhost)")),
    }
}

/// Whether a text is an address of the web.
pub(crate) fn is_address(text: &str) -> bool {
    text.starts_with("https://") || text.starts_with("http://")
}

/// The address that a secret is.
///
/// # Errors
/// As [`check_address`], without the address.
pub(crate) fn secret_address(key: &str, secret: &Secret) -> Result<(), Failure> {
    check_address(key, secret.expose()).map_err(|e| Failure::settings(e.summary()))
}

#[cfg(test)]
pub(crate) mod tests {
    use std::{io::Write, net::TcpListener};

    use reqwest::header::HeaderValue;

    use super::*;

    /// A server of this machine alone.
    pub(crate) fn guests() -> Guests {
        Guests {
            tokens: Vec::new(),
            hosts: Vec::new(),
            trusted_proxies: Vec::new(),
            identity_header: "X-Forwarded-User".to_owned(),
            proxy_scopes: vec![Scope::Read],
            public_url: String::new(),
            link_key: None,
            link_days: 14,
            requests_per_minute: 600,
            accept_records: false,
        }
    }

    #[test]
    fn retry_after_is_seconds_or_a_date() {
        let now: DateTime<Utc> = "2026-03-01T10:00:00Z".parse().expect("a time");
        let asked = |text: &'static str| {
            let mut headers = HeaderMap::new();
            headers.insert(RETRY_AFTER, HeaderValue::from_static(text));
            retry_after(&headers, now).map(|time| time.to_string())
        };
        assert_eq!(asked("90").as_deref(), Some("2026-03-01 10:01:30"));
        assert_eq!(asked("Sun, 01 Mar 2026 10:00:07 GMT").as_deref(), Some("2026-03-01 10:00:07"));
        assert_eq!(asked("4294967295").as_deref(), Some("2026-03-01 16:00:00"), "not for a century");
        assert_eq!(asked("soon"), None);
        assert_eq!(retry_after(&HeaderMap::new(), now), None);
    }

    #[test]
    fn an_answer_without_end_is_read_to_a_limit() {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = format!("http://{}/", listener.local_addr().expect("an address"));
        let server = thread::spawn(move || {
            let (mut stream, _) = listener.accept().expect("a request");
            let _ = stream.read(&mut [0; 4096]);
            let _ = stream.write_all(b"HTTP/1.1 200 OK\r\n\r\n");
            let mut sent = 0_u64;
            // Until the other side has read enough.
            while sent < 64 * MOST_BODY && stream.write_all(&[b'x'; 1 << 16]).is_ok() {
                sent += 1 << 16;
            }
            sent
        });
        let answer = Http::new(1, Duration::from_secs(20)).expect("a client").post(&address, &[], |request| request);
        assert_eq!(answer.expect("an answer").body.len() as u64, MOST_BODY);
        assert!(server.join().expect("a server") < 64 * MOST_BODY);
    }

    #[test]
    fn addresses_are_not_readable_on_the_way() {
        for fine in ["https://hooks.slack.com/services/x", "http://127.0.0.1:80/x", "http://[::1]/x"] {
            assert!(check_address("url", fine).is_ok(), "{fine}");
        }
        for wrong in [
            "http://hooks.slack.com/x",
            "http://localhost.evil.com/",
            "http://127.0.0.1:80@192.0.2.1/x",
            "ftp://x",
            "hooks.slack.com",
            "https://",
        ] {
            assert!(check_address("url", wrong).is_err(), "{wrong}");
        }
    }
}
