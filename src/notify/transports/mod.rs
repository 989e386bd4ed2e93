//! The kinds of channels: one file for each, which has its settings and sends. [`super::channel`] lists them.

pub(super) mod email;
pub(super) mod file;
pub(super) mod pagerduty;
pub(super) mod slack;
pub(super) mod sns;
pub(super) mod stdout;
pub(super) mod teams;
pub(super) mod twilio;
pub(super) mod webhook;
