//! What went wrong, as HTTP says it: `application/problem+json` (<https://www.rfc-editor.org/rfc/rfc9457>) with the code and the
//! hints of the error.

use axum::{
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use serde::Serialize;

use super::guard::Refusal;
use crate::error::{Code, Error};

/// Seconds after which somebody who came in vain may come again.
const AGAIN: HeaderValue = HeaderValue::from_static("5");

/// What went wrong.
#[derive(Debug)]
pub(super) struct Problem {
    pub status: StatusCode,
    pub body: Box<Body>,
}

/// The body of a problem.
#[derive(Debug, Serialize)]
pub(super) struct Body {
    #[serde(rename = "type")]
    kind: &'static str,
    pub title: String,
    status: u16,
    /// The same as in the JSON of the command line's errors.
    code: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
    pub hints: Vec<String>,
}

impl Problem {
    pub(super) fn new(status: StatusCode, code: &str, title: impl Into<String>) -> Self {
        let body = Body {
            kind: "about:blank",
            title: title.into(),
            status: status.as_u16(),
            code: code.to_owned(),
            detail: None,
            hints: Vec::new(),
        };
        Self { status, body: Box::new(body) }
    }

    pub(super) fn hint(mut self, hint: impl Into<String>) -> Self {
        self.body.hints.push(hint.into());
        self
    }

    /// There is nothing at an address.
    pub(super) fn nothing_at(path: &str) -> Self {
        Self::new(StatusCode::NOT_FOUND, "not_found", format!("there is nothing at `{}`", crate::inert::one_line(path)))
            .hint("/openapi.json lists what there is")
    }
}

/// How HTTP says a code.
fn status(code: Code) -> StatusCode {
    match code {
        Code::InvalidUsage | Code::InvalidValue => StatusCode::BAD_REQUEST,
        Code::InvalidInput | Code::NoData => StatusCode::UNPROCESSABLE_ENTITY,
        Code::NotFound => StatusCode::NOT_FOUND,
        Code::NoDatabase | Code::DatabaseInUse | Code::Busy => StatusCode::SERVICE_UNAVAILABLE,
        Code::RemoteFailed => StatusCode::BAD_GATEWAY,
        Code::Bug => StatusCode::INTERNAL_SERVER_ERROR,
    }
}

impl From<Error> for Problem {
    fn from(error: Error) -> Self {
        let line = |text: &str| crate::inert::lines(text);
        let mut problem = Self::new(status(error.code()), error.code().name(), line(error.message()));
        problem.body.detail =
            Some(error.causes().join(": ")).filter(|causes| !causes.is_empty()).map(|text| line(&text));
        problem.body.hints = error.hints().iter().map(|hint| line(hint)).collect();
        problem
    }
}

impl From<Refusal> for Problem {
    fn from(refusal: Refusal) -> Self {
        let (title, hint) = refusal.words();
        Self::new(refusal.status(), refusal.code(), title).hint(hint)
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let text = serde_json::to_string(&self.body).unwrap_or_default() + "\n";
        let mut response = (self.status, [(header::CONTENT_TYPE, "application/problem+json")], text).into_response();
        let headers = response.headers_mut();
        match self.status {
            StatusCode::UNAUTHORIZED => {
                _ = headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"))
            }
            StatusCode::SERVICE_UNAVAILABLE | StatusCode::TOO_MANY_REQUESTS => {
                headers.insert(header::RETRY_AFTER, AGAIN);
            }
            _ => {}
        }
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        response
    }
}
