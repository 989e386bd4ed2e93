//! Pages for browsers. Each is made of operations' answers, kept until the data changes, and has all of its state in its address.

mod accounts;
mod ask;
mod budgets;
mod compare;
mod escape;
mod explore;
mod export;
mod forecast;
mod incident;
mod incidents;
mod login;
mod morning;
mod parts;
mod plot;
mod status;

use std::sync::Arc;

use askama::Template;
use axum::{
    Extension, Router,
    extract::{RawPathParams, RawQuery, State},
    http::{HeaderMap, HeaderValue, StatusCode, header},
    middleware::from_fn,
    response::{IntoResponse, Response},
    routing::get,
};

pub(crate) use self::export::export;
use self::parts::rendered;
use super::{
    App,
    answers::{Answered, Answers, Body},
    api, assets,
    guard::Guest,
    problem::Problem,
};
use crate::{
    error::{Code, Error, Result},
    inert,
    operations::{Header, Session, Warning},
    web::Scope,
};

/// The media type of pages.
const HTML: &str = "text/html; charset=utf-8";

/// What a page is asked for.
#[derive(Clone, Debug, Default)]
struct Asked {
    path: Vec<(String, String)>,
    query: Vec<(String, String)>,
}

/// A page without what is around it.
#[derive(Debug)]
struct Made {
    title: String,
    main: String,
}

/// A page, where it is, and how it is made.
struct Page {
    path: &'static str,
    make: fn(&Session, &Asked) -> Result<Made>,
}

/// All pages that only show.
static PAGES: &[Page] = &[
    Page { path: "/", make: morning::page },
    Page { path: "/incidents", make: incidents::page },
    Page { path: "/incidents/{id}", make: incident::page },
    Page { path: "/incidents/{id}/cause", make: incidents::cause },
    Page { path: "/explore", make: explore::page },
    Page { path: "/compare", make: compare::page },
    Page { path: "/forecast", make: forecast::page },
    Page { path: "/forecast/record", make: forecast::record },
    Page { path: "/budgets", make: budgets::page },
    Page { path: "/accounts", make: accounts::page },
    Page { path: "/status", make: status::page },
];

impl Asked {
    fn path(&self, name: &str) -> &str {
        self.path.iter().find(|(own, _)| own == name).map_or("", |(_, value)| value)
    }

    /// The value of a parameter, or nothing.
    fn get(&self, name: &str) -> &str {
        self.query.iter().find(|(own, _)| own == name).map_or("", |(_, value)| value)
    }

    /// All values of a parameter.
    fn all(&self, name: &str) -> Vec<String> {
        self.query
            .iter()
            .filter(|(own, value)| own == name && !value.is_empty())
            .map(|(_, value)| value.clone())
            .collect()
    }

    /// The parameters but those of the page itself, as an operation takes them.
    fn without(&self, own: &[&str]) -> Vec<(String, String)> {
        self.query.iter().filter(|(name, value)| !own.contains(&name.as_str()) && !value.is_empty()).cloned().collect()
    }

    fn key(&self, page: &Page) -> String {
        format!("page {} {:?} {:?}", page.path, self.path, self.query)
    }
}

pub(super) fn router() -> Router<Arc<App>> {
    let mut router = Router::new();
    for page in PAGES {
        let show = move |State(app): State<Arc<App>>,
                         Extension(guest): Extension<Guest>,
                         path: RawPathParams,
                         RawQuery(query),
                         headers: HeaderMap| async move {
            let path = path.iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
            let query = form_urlencoded::parse(query.unwrap_or_default().as_bytes()).into_owned().collect();
            show(&app, page, Asked { path, query }, &guest, &headers).await
        };
        router = router.route(page.path, get(show));
    }
    router
        .route("/docs", get(docs))
        .route_layer(from_fn(super::read))
        .merge(incidents::router())
        .merge(incident::router())
        .merge(ask::router())
        .merge(login::router())
}

/// Shows a page to a guest.
async fn show(app: &Arc<App>, page: &'static Page, asked: Asked, guest: &Guest, headers: &HeaderMap) -> Response {
    // Whoever may do more sees more.
    let key = asked.key(page);
    let scopes = format!("{key} {:?} {} {}", guest.scopes, guest.is_logged_in, guest.name);
    if let Some(unchanged) = api::unchanged(&app.answers, &scopes, headers) {
        return unchanged;
    }
    let page_path = page.path;
    let made = app.answers.get(&key, move |session| {
        let Made { title, main } = (page.make)(session, &asked)?;
        Ok(Body::page(title, main))
    });
    match made.await {
        Ok(answered) => {
            // What changed meanwhile is another page.
            let tag = Answers::tag(&scopes, &answered.generation);
            let around = || {
                let page = &answered.body;
                let text = shell(&page.title, &page.text, page_path, Some(guest), &Age::of(&answered))?;
                Ok(Body::page(String::new(), text))
            };
            let whole = app.answers.whole(&format!("{tag} {}", answered.tag), around);
            match whole {
                Ok(body) => api::respond(&Answered { body, tag, ..answered }, headers),
                Err(error) => Problem::from(error).into_response(),
            }
        }
        Err(error) if error.code() == Code::NoDatabase || error.code() == Code::NoData => {
            welcome(&error, guest).unwrap_or_else(IntoResponse::into_response)
        }
        Err(error) => of_problem(&error.into(), Some(guest)),
    }
}

/// How new a page is; by default it is of no data.
#[derive(Default)]
struct Age {
    /// The state of the data that it shows, as events tell it.
    state: String,
    /// Whether somebody writes the data, and this is of how it was before.
    is_stale: bool,
}

impl Age {
    fn of(answered: &Answered) -> Self {
        Self { state: api::state(&answered.generation), is_stale: answered.is_stale }
    }
}

#[derive(Template)]
#[template(path = "shell.html")]
struct Shell<'a> {
    title: &'a str,
    main: &'a str,
    age: &'a Age,
    is_logged_in: bool,
    /// What the guest may do, as classes of the stylesheet.
    may: String,
    name: &'a str,
    nav: Vec<(&'static str, &'static str, bool)>,
    css: &'static str,
    uplot_css: &'static str,
    htmx: &'static str,
    uplot: &'static str,
    js: &'static str,
    icon: &'static str,
}

/// What leads from each page to the others.
const NAV: [(&str, &str); 9] = [
    ("/", "Morning"),
    ("/incidents", "Incidents"),
    ("/explore", "Explore"),
    ("/forecast", "Forecast"),
    ("/budgets", "Budgets"),
    ("/compare", "Compare"),
    ("/accounts", "Accounts"),
    ("/ask", "Ask"),
    ("/status", "Status"),
];

/// A page with what is around it.
///
/// # Errors
/// Never, unless this program is broken.
fn shell(title: &str, main: &str, path: &str, guest: Option<&Guest>, age: &Age) -> Result<String> {
    let first = |path: &str| path.trim_start_matches('/').split('/').next().unwrap_or_default().to_owned();
    let may = |scope: &&Scope| guest.is_some_and(|guest| guest.may(**scope));
    rendered(&Shell {
        title,
        main,
        age,
        is_logged_in: guest.is_some_and(|guest| guest.is_logged_in),
        may: Scope::ALL.iter().filter(may).map(|scope| format!("may-{}", scope.name())).collect::<Vec<_>>().join(" "),
        name: guest.map_or("", |guest| guest.name.as_str()),
        nav: if guest.is_some() {
            NAV.map(|(to, name)| (to, name, first(to) == first(path))).to_vec()
        } else {
            Vec::new()
        },
        css: assets::address("app.css"),
        uplot_css: assets::address("uPlot.min.css"),
        htmx: assets::address("htmx.min.js"),
        uplot: assets::address("uPlot.iife.min.js"),
        js: assets::address("app.js"),
        icon: assets::address("icon.svg"),
    })
}

fn html(status: StatusCode, text: String) -> Response {
    let media = HeaderValue::from_static(HTML);
    (status, [(header::CONTENT_TYPE, media), (header::CACHE_CONTROL, HeaderValue::from_static("no-store"))], text)
        .into_response()
}

#[derive(Template)]
#[template(path = "problem.html")]
struct ProblemTemplate<'a> {
    title: &'a str,
    detail: &'a str,
    hints: Vec<String>,
    status: u16,
}

/// What went wrong, as a page.
pub(super) fn problem(problem: &Problem) -> Response {
    of_problem(problem, None)
}

fn of_problem(problem: &Problem, guest: Option<&Guest>) -> Response {
    let main = rendered(&ProblemTemplate {
        title: &problem.body.title,
        detail: problem.body.detail.as_deref().unwrap_or_default(),
        hints: problem.body.hints.iter().map(|hint| inert::html_sentence(hint)).collect(),
        status: problem.status.as_u16(),
    });
    match main.and_then(|main| shell("Error", &main, "", guest, &Age::default())) {
        Ok(text) => {
            let mut response = html(problem.status, text);
            if problem.status == StatusCode::SERVICE_UNAVAILABLE {
                response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from_static("5"));
            }
            response
        }
        Err(error) => Problem::from(error).into_response(),
    }
}

#[derive(Template)]
#[template(path = "welcome.html")]
struct Welcome {
    said: String,
}

/// What is shown where there are no bills yet.
fn welcome(error: &Error, guest: &Guest) -> Result<Response, Problem> {
    let main = rendered(&Welcome { said: inert::html_sentence(error.message()) })?;
    let text = shell("No bills yet", &main, "/", Some(guest), &Age::default())?;
    Ok(html(StatusCode::OK, text))
}

#[derive(Template)]
#[template(path = "docs.html")]
struct Docs {
    icon: &'static str,
    css: &'static str,
    bundle: &'static str,
    start: &'static str,
}

/// The API to be tried out.
async fn docs() -> Result<Response, Problem> {
    let css = assets::address("swagger-ui.css");
    let bundle = assets::address("swagger-ui-bundle.js");
    let start = assets::address("docs.js");
    Ok(html(StatusCode::OK, rendered(&Docs { icon: assets::address("icon.svg"), css, bundle, start })?))
}

#[derive(Template)]
#[template(path = "about.html")]
struct About {
    of: String,
    notes: Vec<String>,
}

/// What figures are of, and what qualifies them: the end of a page.
///
/// # Errors
/// Never, unless this program is broken.
fn about(header: &Header) -> Result<String> {
    let metric = header.metric.map(|metric| format!("{} cost", metric.name().replace('_', " ")));
    let sources =
        Some(header.sources.join(", ")).filter(|sources| !sources.is_empty()).map(|names| format!("from {names}"));
    let through = header.data_through.map(|day| format!("data through {day}"));
    let settled = header.settled_through.map(|day| format!("settled through {day}"));
    let of: Vec<String> = [metric, sources, through, settled].into_iter().flatten().collect();
    let notes = header.warnings.iter().map(|warning: &Warning| inert::html_sentence(&warning.text())).collect();
    rendered(&About { of: of.join(", "), notes })
}
