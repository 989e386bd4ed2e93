//! SMS by Twilio: <https://www.twilio.com/docs/messaging/api/message-resource>.

use serde::{Deserialize, Serialize};

use crate::{
    error::{Error, Result},
    notify::{
        digest::Digest,
        transport::{Sending, Transport},
    },
    web::{self, Failure, secret::Reference},
};

/// Characters of a text, which is three or four SMS; Twilio takes 1600.
const TEXT: usize = 480;

#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Settings {
    pub account_sid: String,
    pub auth_token: Reference,
    /// The sending number, or the id of a messaging service (`MG…`).
    pub from: String,
    pub to: Vec<String>,
    #[serde(default = "api")]
    pub api_url: String,
}

fn api() -> String {
    "https://api.twilio.com".into()
}

impl Transport for Settings {
    fn check(&self) -> Result<()> {
        let is_number = |text: &str| {
            text.strip_prefix('+')
                .is_some_and(|rest| (7..=15).contains(&rest.len()) && rest.bytes().all(|byte| byte.is_ascii_digit()))
        };
        if self.to.is_empty() || !self.to.iter().all(|to| is_number(to)) {
            return Err(Error::input("`twilio.to` needs numbers such as +14155550123"));
        }
        if !is_number(&self.from) && !self.from.starts_with("MG") {
            return Err(Error::input(
                "`twilio.from` needs a number such as +14155550123, or a messaging service (MG…)",
            ));
        }
        web::check_address("api_url", &self.api_url)
    }

    fn secrets(&self) -> Vec<&Reference> {
        vec![&self.auth_token]
    }

    /// Sends to each number that is not among `done`, and adds it there.
    fn send(&self, digest: &Digest, sending: &Sending, done: &mut Vec<String>) -> Result<Option<String>, Failure> {
        let token = sending.secret(Some(&self.auth_token))?;
        let address =
            format!("{}/2010-04-01/Accounts/{}/Messages.json", self.api_url.trim_end_matches('/'), self.account_sid);
        let sender = if self.from.starts_with("MG") { "MessagingServiceSid" } else { "From" };
        let text = digest.short(TEXT);
        let parts = self.to.iter().map(|to| (to.clone(), to));
        sending.each(parts, done, |to| {
            let form = [("To", to.as_str()), (sender, &self.from), ("Body", &text)];
            let send = sending.http.post(&address, &[&token], |request| {
                request.basic_auth(&self.account_sid, Some(token.expose())).form(&form)
            });
            send.map(drop)
        })
    }
}
