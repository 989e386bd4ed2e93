//! Bills of other providers and of other kinds, known by their columns, that are not read as they are: whose they
//! are and what to export instead.

use super::{columns::Columns, mapping::compared};
use crate::{error::Error, inert};

/// A kind of file that is refused by name.
struct Known {
    /// Whether the compared names of the columns are of this kind.
    is: fn(&[String]) -> bool,
    /// What it is, to follow "this is".
    what: &'static str,
    /// What is in the way.
    why: &'static str,
    /// What to do instead.
    instead: &'static str,
    /// Assignments with which it is a plain CSV of right figures; none where it would not be.
    maps: &'static [(&'static str, &'static [&'static str])],
}

fn has(names: &[String], name: &str) -> bool {
    names.iter().any(|own| own == name)
}

fn any_has(names: &[String], part: &str) -> bool {
    names.iter().any(|own| own.contains(part))
}

const KNOWN: [Known; 7] = [
    Known {
        is: |names| has(names, "invoicedetailid") && !has(names, "chargeperiodstart"),
        what: "FOCUS's invoice detail data set",
        why: "it sums up invoices and has no days",
        instead: "ingest the cost and usage data set of the same export",
        maps: &[],
    },
    Known {
        is: |names| has(names, "billingperiodstatus") && !has(names, "chargeperiodstart"),
        what: "FOCUS's billing period data set",
        why: "it lists billing periods and has no costs",
        instead: "ingest the cost and usage data set of the same export",
        maps: &[],
    },
    Known {
        is: |names| has(names, "contractcommitmentid") && !has(names, "chargeperiodstart"),
        what: "FOCUS's contract commitment data set",
        why: "it lists commitments, not what was charged",
        instead: "ingest the cost and usage data set of the same export",
        maps: &[],
    },
    Known {
        is: |names| has(names, "payeraccountid") && has(names, "linkedaccountid") && has(names, "recordtype"),
        what: "an old detailed billing report (DBR) of AWS",
        why: "it repeats its lines in rows of totals, and has no amortized costs",
        instead: "create a CUR 2.0 export in the Billing console under Data Exports and ingest that; \
                  `aws-cost-anomalies ingest --source cost-explorer` has the last 13 months at once",
        maps: &[],
    },
    Known {
        is: |names| names.len() > 1 && has(names, "totalcosts") && !has(names, "date") && !has(names, "day"),
        what: "the CSV download of Cost Explorer",
        why: "it is a table of one column for each group, with rows of totals",
        instead: "`aws-cost-anomalies ingest --source cost-explorer` asks for the same figures, $0.01 a request",
        maps: &[],
    },
    Known {
        is: |names| any_has(names, "lineitemintervalusagestart") || has(names, "costmycost"),
        what: "a cost or usage report of Oracle Cloud (OCI)",
        why: "only its FOCUS reports are read",
        instead: "ingest OCI's FOCUS reports: the folder `FOCUS Reports` beside the cost reports in the same bucket",
        maps: &[
            ("date", &["lineItem/intervalUsageStart"]),
            ("cost", &["cost/myCost"]),
            ("currency", &["cost/currencyCode"]),
            ("service", &["product/service"]),
        ],
    },
    Known {
        is: |names| has(names, "skudescription") && any_has(names, "unroundedcost"),
        what: "a cost table report of Google Cloud (GCP)",
        why: "it has no days",
        instead: "ingest the billing export of BigQuery (docs/DATA.md has the statement), or GCP's FOCUS view",
        maps: &[],
    },
];

/// An error for a file that is known and not read; `path` is as the user named it.
pub(crate) fn refusal(columns: &Columns, path: &str) -> Option<Error> {
    let names: Vec<String> = columns.iter().map(|column| compared(&column.name)).collect();
    let known = KNOWN.iter().find(|known| (known.is)(&names))?;
    let error = Error::input(format!("this is {}", known.what)).cause(known.why).hint(known.instead);
    let found = known.maps.iter().map(|(field, wanted)| {
        let column = wanted.iter().find_map(|name| {
            let place = names.iter().position(|own| *own == compared(name))?;
            columns.iter().nth(place)
        })?;
        Some(format!(" --map {}", inert::shell(&format!("{field}={}", column.name))))
    });
    match found.collect::<Option<Vec<String>>>() {
        Some(maps) if !maps.is_empty() => Some(error.hint(format!(
            "or read it as a plain CSV, each day's cost as it stands there: `aws-cost-anomalies ingest {}{} --data-source NAME`",
            inert::shell(path),
            maps.concat()
        ))),
        _ => Some(error),
    }
}
