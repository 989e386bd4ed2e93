//! Which days of a series cost more or less than they should have, and which runs of them are findings.
//!
//! - [`judge`]: series in, a [`Verdict`] for each day out, by the method of the [`Parameters`].
//! - [`findings`]: flagged days become findings.
//! - [`prefilter`]: which of very many series need not be judged.
//! - `robust` is the default method: one pass over a series, with a `model` of what is normal (`week`, `trend`, `scale`,
//!   `shift`) and `recurring` charges; `baselines` are the methods of others.
//! - [`incomplete_days`] and `cross_series` look across series.
//!
//! `docs/ANOMALIES.md` gives the methods with their references and measured quality.

mod baselines;
mod cross_series;
pub(crate) mod findings;
mod incomplete;
mod judge;
mod model;
pub(crate) mod prefilter;
mod recurring;
mod robust;
mod scale;
mod settings;
mod shift;
pub(super) mod trend;
mod verdict;
pub(super) mod week;

#[cfg(test)]
mod tests;

pub(crate) use findings::{Finding, findings};
pub(crate) use incomplete::{BillDays, incomplete_days};
pub(crate) use judge::{Judged, judge, verdicts};
pub(crate) use settings::{Parameters, Settings, Step};
pub(crate) use verdict::{Basis, Verdict};
