//! Which reports and exports an account has, for those who do not know where their bill is delivered.

use aws_sdk_bcmdataexports::types::Export as DataExport;
use schemars::JsonSchema;
use serde::Serialize;

use super::{
    aws::{ApiRequest, Aws},
    s3::Export,
};
use crate::error::{Error, Result};

/// The one region that these APIs answer in.
const REGION: &str = "us-east-1";

/// A report or export, and whether this program can read it.
#[derive(Clone, Debug, JsonSchema, Serialize)]
pub struct Discovered {
    pub name: String,
    /// `CUR`, or the table that a data export is of.
    pub kind: String,
    #[serde(flatten)]
    pub export: Export,
    /// Why it cannot be ingested, when it cannot.
    pub unfit: Option<String>,
}

/// All that there is, and what could not be asked.
#[derive(Debug, Default)]
pub(crate) struct Discovery {
    pub found: Vec<Discovered>,
    pub failures: Vec<Error>,
}

/// Asks for legacy reports (`cur:DescribeReportDefinitions`) and data exports (`bcm-data-exports:ListExports`,
/// `GetExport`).
pub(crate) fn discover(aws: &Aws) -> Discovery {
    let mut discovery = Discovery::default();
    for found in [reports(aws), exports(aws)] {
        match found {
            Ok(found) => discovery.found.extend(found),
            Err(error) => discovery.failures.push(error),
        }
    }
    discovery
}

fn reports(aws: &Aws) -> Result<Vec<Discovered>> {
    let client = aws_sdk_costandusagereport::Client::new(&aws.in_region(REGION));
    let mut pages = client.describe_report_definitions().into_paginator().send();
    let mut found = Vec::new();
    let asked = ApiRequest {
        service: "Cost and Usage Reports",
        action: "cur:DescribeReportDefinitions",
        about: "the list of reports",
    };
    while let Some(page) = aws.block_on(pages.next()) {
        let page = page.map_err(|e| aws.explain(&asked, &e))?;
        found.extend(page.report_definitions().iter().map(|report| Discovered {
            name: report.report_name().to_owned(),
            kind: "CUR".into(),
            export: Export {
                bucket: report.s3_bucket().to_owned(),
                prefix: report.s3_prefix().trim_matches('/').to_owned(),
                report_name: report.report_name().to_owned(),
                region: report.s3_region().as_str().to_owned(),
                requester_pays: false,
            },
            unfit: None,
        }));
    }
    Ok(found)
}

fn exports(aws: &Aws) -> Result<Vec<Discovered>> {
    let client = aws_sdk_bcmdataexports::Client::new(&aws.in_region(REGION));
    let mut pages = client.list_exports().into_paginator().send();
    let mut found = Vec::new();
    while let Some(page) = aws.block_on(pages.next()) {
        let asked = ApiRequest {
            service: "Data Exports",
            action: "bcm-data-exports:ListExports",
            about: "the list of exports",
        };
        let page = page.map_err(|e| aws.explain(&asked, &e))?;
        for reference in page.exports() {
            let request = client.get_export().export_arn(reference.export_arn());
            let about = format!("the export `{}`", reference.export_name());
            let asked = ApiRequest { service: "Data Exports", action: "bcm-data-exports:GetExport", about: &about };
            let answer = aws.block_on(request.send()).map_err(|e| aws.explain(&asked, &e))?;
            found.extend(answer.export().and_then(described));
        }
    }
    Ok(found)
}

fn described(export: &DataExport) -> Option<Discovered> {
    let destination = export.destination_configurations()?.s3_destination()?;
    let table = table(export.data_query().map_or("", |query| query.query_statement()));
    let known = table == "COST_AND_USAGE_REPORT" || table.starts_with("FOCUS_");
    Some(Discovered {
        name: export.name().to_owned(),
        unfit: (!known).then(|| format!("`{table}` holds no costs by day")),
        kind: table,
        export: Export {
            bucket: destination.s3_bucket().to_owned(),
            prefix: destination.s3_prefix().trim_matches('/').to_owned(),
            report_name: export.name().to_owned(),
            region: destination.s3_region().to_owned(),
            requester_pays: false,
        },
    })
}

/// The table of a data export's query: `SELECT … FROM COST_AND_USAGE_REPORT`.
fn table(query: &str) -> String {
    let mut words = query.split_whitespace();
    words.find(|word| word.eq_ignore_ascii_case("FROM"));
    words.next().unwrap_or_default().trim_matches(|c| matches!(c, '`' | '"' | ';')).to_uppercase()
}

#[cfg(test)]
mod tests {
    use super::table;

    #[test]
    fn the_table_is_read_from_the_query() {
        assert_eq!(table("SELECT line_item_usage_type, tags FROM COST_AND_USAGE_REPORT"), "COST_AND_USAGE_REPORT");
        assert_eq!(table("select * from FOCUS_1_2_AWS where x = 1"), "FOCUS_1_2_AWS");
    }
}
