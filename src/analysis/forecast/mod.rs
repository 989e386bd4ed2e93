//! What costs will be on days to come, and how wrong that has been.
//!
//! - [`ahead`]: what series cost in days that are partly to come, by what their past up to a day says (`outlook`): of today, and of
//!   days that are over, for errors that are known by now.
//! - [`conformal`]: intervals from such errors.
//! - [`peers`]: the rules of other tools, to measure beside.
//!
//! `docs/FORECAST.md` gives the method with its references and measured errors.

pub(crate) mod conformal;
mod outlook;
pub(crate) mod peers;
mod recurring;
mod replay;

#[cfg(test)]
mod tests;

pub(crate) use replay::{Ahead, Input, Span, ahead};
