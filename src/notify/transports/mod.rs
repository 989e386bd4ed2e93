//! The kinds of channels: one file for each, which has its settings and sends. [`super::channel`] lists them.

pub mod email;
pub mod file;
pub mod pagerduty;
pub mod slack;
pub mod sns;
pub mod stdout;
pub mod teams;
pub mod twilio;
pub mod webhook;
