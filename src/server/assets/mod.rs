use std::sync::Arc;
use axum::Router;
use super::App;
pub(super) fn router() -> Router<Arc<App>> { Router::new() }
