//! Text in pages. Names in bills are free text, so whatever a template shows goes through here.

use std::fmt::{self, Write};

use askama::filters::Escaper;

use crate::inert;

/// Text as [`inert::html`] has it, on one line: no markup, and nothing that hides or turns what stands around it.
#[derive(Clone, Copy, Debug, Default)]
pub(in crate::server) struct Inert;

impl Escaper for Inert {
    fn write_escaped_str<W: Write>(&self, mut dest: W, text: &str) -> fmt::Result {
        dest.write_str(&inert::html(&inert::one_line(text)))
    }
}
