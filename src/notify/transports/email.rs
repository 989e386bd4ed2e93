//! E-mail over SMTP with TLS: text, and the same as HTML.

use std::time::Duration;

use lettre::{
    Message, SmtpTransport, Transport as _,
    address::Envelope,
    message::{Mailbox, MultiPart, header},
    transport::smtp::{authentication::Credentials, client::Tls, client::TlsParameters},
};
use serde::{Deserialize, Serialize};

use crate::{
    error::{Error, Result},
    inert,
    model::{Severity, cut},
    notify::{
        alert::Alert,
        digest::{Digest, LIST_COMMAND},
        transport::{Sending, Transport},
    },
    web::{
        Failure, causes,
        secret::{Reference, Secret},
    },
};

/// Characters of a subject: RFC 5322 wants lines below 78, mail programs show fewer.
const SUBJECT: usize = 120;

#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Settings {
    pub host: String,
    #[serde(default = "submission")]
    pub port: u16,
    #[serde(default)]
    pub tls: TlsMode,
    #[serde(default)]
    pub username: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub password: Option<Reference>,
    pub from: String,
    pub to: Vec<String>,
}

/// How the way to the server is kept private.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum TlsMode {
    /// TLS from the first byte, mostly port 465.
    Tls,
    /// TLS after a greeting, mostly port 587; without it nothing is sent.
    #[default]
    Starttls,
    /// None, for a server on this machine or in this cluster.
    None,
}

fn submission() -> u16 {
    587
}

impl Transport for Settings {
    fn check(&self) -> Result<()> {
        let address = |text: &String| {
            text.parse::<Mailbox>().map_err(|e| Error::input(format!("`{text}` is no e-mail address")).cause(e))
        };
        address(&self.from)?;
        self.to.iter().try_for_each(|to| address(to).map(drop))?;
        if self.to.is_empty() || self.host.is_empty() {
            return Err(Error::input("`email` needs `host` and at least one address in `to`"));
        }
        match (self.username.is_empty(), &self.password, self.tls) {
            (false, Some(_), TlsMode::None) => Err(Error::input("a password needs `tls: starttls` or `tls: tls`")),
            (true, None, _) | (false, Some(_), _) => Ok(()),
            _ => Err(Error::input("`username` and `password` go together")),
        }
    }

    fn secrets(&self) -> Vec<&Reference> {
        self.password.iter().collect()
    }

    /// Sends to each address that is not among `done`, and adds it there.
    fn send(&self, digest: &Digest, sending: &Sending, done: &mut Vec<String>) -> Result<Option<String>, Failure> {
        let message = self.message(digest).map_err(|e| Failure::refused(e.summary()))?.formatted();
        let secret = self.password.as_ref().map(|password| sending.secret(Some(password))).transpose()?;
        let mut builder = SmtpTransport::builder_dangerous(&self.host).port(self.port).timeout(Some(sending.timeout));
        let parameters = || {
            TlsParameters::new(self.host.clone())
                .map_err(|e| Failure::settings(format!("cannot set up TLS: {}", causes(&e))))
        };
        builder = builder.tls(match self.tls {
            TlsMode::Tls => Tls::Wrapper(parameters()?),
            TlsMode::Starttls => Tls::Required(parameters()?),
            TlsMode::None => Tls::None,
        });
        if let Some(secret) = &secret {
            builder = builder.credentials(Credentials::new(self.username.clone(), secret.expose().to_owned()));
        }
        let transport = builder.build();
        let address = |text: &str| text.parse::<Mailbox>().map(|mailbox| mailbox.email);
        let parts = self.to.iter().map(|to| (to.clone(), to));
        sending.each(parts, done, |to| {
            let envelope = address(&self.from).ok().zip(address(to).ok());
            let envelope = envelope.and_then(|(from, to)| Envelope::new(Some(from), vec![to]).ok());
            let envelope = envelope.ok_or_else(|| Failure::settings(format!("`{to}` is no e-mail address")))?;
            self.send_to(&transport, &envelope, &message, secret.as_ref(), sending)
        })
    }
}

impl Settings {
    fn send_to(
        &self,
        transport: &SmtpTransport,
        envelope: &Envelope,
        message: &[u8],
        secret: Option<&Secret>,
        sending: &Sending,
    ) -> Result<(), Failure> {
        let mut wait = Duration::from_millis(500);
        let mut attempt = 1;
        loop {
            let error = match transport.send_raw(envelope, message) {
                Ok(_) => return Ok(()),
                Err(error) => error,
            };
            let text = causes(&error);
            let text = inert::lines(&secret.map_or(text.clone(), |secret| secret.redact(&text)));
            let text = cut(&text, 300);
            // 552 and 554 are about the message: https://www.rfc-editor.org/rfc/rfc5321#section-4.2.3
            let of_message = error.status().is_some_and(|code| ["552", "554"].contains(&code.to_string().as_str()));
            if of_message {
                return Err(Failure::refused(text));
            }
            if error.is_permanent() || error.is_tls() || text.contains("certificate") {
                return Err(Failure::settings(text));
            }
            if attempt >= sending.attempts {
                return Err(Failure::later(text));
            }
            std::thread::sleep(wait);
            wait *= 2;
            attempt += 1;
        }
    }

    fn message(&self, digest: &Digest) -> Result<Message> {
        let wrong = |e: &dyn std::fmt::Display| Error::input("the mail cannot be written").cause(e);
        let mailbox = |text: &String| text.parse::<Mailbox>().map_err(|e| wrong(&e));
        let from = mailbox(&self.from)?;
        let domain = from.email.domain().to_owned();
        // The same message is the same mail when it is sent again.
        let mut builder = Message::builder()
            .message_id(Some(format!("<{}@{domain}>", digest.id)))
            .header(header::MIME_VERSION_1_0)
            .raw_header(header::HeaderValue::new(
                header::HeaderName::new_from_ascii_str("Auto-Submitted"),
                "auto-generated".into(),
            ))
            .subject(cut(&inert::one_line(&digest.title), SUBJECT))
            .from(from);
        for to in &self.to {
            builder = builder.to(mailbox(to)?);
        }
        builder.multipart(MultiPart::alternative_plain_html(digest.plain(), html(digest))).map_err(|e| wrong(&e))
    }
}

/// A digest as HTML that mail programs show alike: tables and inline styles, no images, nothing fetched.
fn html(digest: &Digest) -> String {
    let mut text = format!(
        "<html><body style=\"font-family:sans-serif;max-width:44em\"><h2 style=\"font-size:1.2em\">{}</h2>",
        inert::html(&digest.title)
    );
    if let Some(own) = &digest.text {
        text += &format!("<p>{}</p>", inert::html(own).replace('\n', "<br>"));
    }
    digest.alerts.iter().for_each(|alert| text += &incident(digest, alert));
    if let Some(rest) = digest.rest() {
        text += &format!("<p>{}: <code>{LIST_COMMAND}</code></p>", inert::html(&rest));
    }
    for line in digest.footer() {
        text += &format!("<p style=\"color:#777;font-size:0.85em\">{}</p>", inert::html(&line));
    }
    text + "</body></html>"
}

fn incident(digest: &Digest, alert: &Alert) -> String {
    let color = match alert.severity {
        _ if alert.is_over() => "#2e7d32",
        _ if alert.is_closed() || alert.is_saving() => "#555555",
        Severity::Critical => "#c62828",
        Severity::Warning => "#e07b00",
        _ => "#555555",
    };
    let mut text = format!(
        "<div style=\"border-left:4px solid {color};padding:0 1em;margin:1em 0\"><p><b>{}</b></p><p>{}</p>\
         <table style=\"border-spacing:0\">",
        inert::html(&digest.heading(alert)),
        inert::html(&alert.sentence)
    );
    for (name, value) in alert.facts() {
        text +=
            &format!("<tr><td style=\"padding-right:1em;color:#555\">{name}</td><td>{}</td></tr>", inert::html(&value));
    }
    text += "</table>";
    if let Some(words) = &alert.model_text {
        text += &format!("<p>{}</p>", inert::html(words).replace('\n', "<br>"));
    }
    let links = alert.links.iter().filter(|_| !alert.is_closed());
    let links: Vec<String> =
        links.map(|link| format!("<a href=\"{}\">{}</a>", inert::html(&link.url), inert::html(&link.name))).collect();
    if !links.is_empty() {
        text += &format!("<p>{}</p>", links.join(" &middot; "));
    }
    if !alert.is_closed() {
        text += &format!("<p><code>{}</code></p>", inert::html(&alert.command()));
    }
    text + "</div>"
}
