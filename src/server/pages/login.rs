//! Where a browser gives its token.

use std::sync::Arc;

use askama::Template;
use axum::{
    Extension, Router,
    body::Bytes,
    extract::{RawQuery, State},
    http::{HeaderMap, HeaderValue, StatusCode, header},
    response::{IntoResponse, Redirect, Response},
    routing::{get, post},
};

use super::{Age, html, parts::rendered, shell};
use crate::server::{App, guard::Refusal, listener::Peer, problem::Problem};

pub(super) fn router() -> Router<Arc<App>> {
    Router::new().route("/login", get(form).post(log_in)).route("/logout", post(log_out))
}

#[derive(Template)]
#[template(path = "login.html")]
struct Login<'a> {
    to: &'a str,
    said: &'a str,
}

/// A page of this server alone: `//host` and `https://host` are others'.
fn own(to: &str) -> &str {
    let is_own = to.starts_with('/') && !to.starts_with("//") && !to.contains(['\\', '\r', '\n', '\t']);
    if is_own { to } else { "/" }
}

fn value(body: &[u8], name: &str) -> String {
    form_urlencoded::parse(body).find(|(own, _)| own == name).map_or(String::new(), |(_, value)| value.into_owned())
}

fn page(status: StatusCode, to: &str, said: &str) -> Result<Response, Problem> {
    let main = rendered(&Login { to: own(to), said })?;
    Ok(html(status, shell("Log in", &main, "/login", None, &Age::default())?))
}

async fn form(RawQuery(query): RawQuery) -> Result<Response, Problem> {
    page(StatusCode::OK, &value(query.unwrap_or_default().as_bytes(), "to"), "")
}

async fn log_in(
    State(app): State<Arc<App>>,
    Extension(peer): Extension<Peer>,
    body: Bytes,
) -> Result<Response, Problem> {
    let to = value(&body, "to");
    match app.guard.log_in(&value(&body, "token"), peer.0.ip()) {
        Ok(cookie) => {
            let mut response = Redirect::to(own(&to)).into_response();
            response.headers_mut().extend(cookie.parse().ok().map(|cookie: HeaderValue| (header::SET_COOKIE, cookie)));
            Ok(response)
        }
        Err(Refusal::Unknown) => page(StatusCode::UNAUTHORIZED, &to, "That is none of the tokens."),
        Err(refusal) => page(refusal.status(), &to, &refusal.words().0),
    }
}

async fn log_out(State(app): State<Arc<App>>, headers: HeaderMap) -> Response {
    let cookie = app.guard.log_out(&headers);
    let mut response = Redirect::to("/login").into_response();
    response.headers_mut().extend(cookie.parse().ok().map(|cookie: HeaderValue| (header::SET_COOKIE, cookie)));
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nobody_is_led_elsewhere() {
        for to in ["https://evil.example", "//evil.example", "/\\evil.example", "evil", "", "/\t/evil.example"] {
            assert_eq!(own(to), "/", "{to}");
        }
        assert_eq!(own("/incidents?status=all"), "/incidents?status=all");
    }
}
