use std::sync::Arc;
use axum::{Router, response::{IntoResponse, Response}};
use super::{App, problem::Problem};
pub(super) fn router() -> Router<Arc<App>> { Router::new() }
pub(super) fn problem(problem: &Problem) -> Response { (problem.status, problem.body.title.clone()).into_response() }
pub(crate) fn export() {}
