//! What `doctor` found, as text.

use super::{
    Format, Style, csv, json,
    table::{Column, Table},
    wrapped,
};
use crate::{
    error::Result,
    inert,
    insights::{answer::Answer, health::Status},
    operations::Health,
};

pub(crate) fn render(answer: &Answer<Health>, format: Format, style: Style) -> Result<String> {
    let checks = &answer.checks;
    let word = |status: Status| match status {
        Status::Ok => "ok",
        Status::Warn => "warn",
        Status::Fail => "FAIL",
        Status::Skip => "skip",
    };
    match format {
        Format::Json => json(answer),
        Format::Csv => csv(
            &["check", "status", "detail", "fix"].map(str::to_owned),
            checks.iter().map(|check| {
                let fix = check.fix.clone().unwrap_or_default();
                vec![check.check.clone(), word(check.status).to_lowercase(), check.detail.clone(), fix]
            }),
        ),
        Format::Markdown => {
            let mut table = Table::new(["check", "status", "detail", "fix"].map(Column::name).into());
            for check in checks {
                let fix = check.fix.clone().unwrap_or_default();
                table.row(vec![check.check.clone(), word(check.status).into(), check.detail.clone(), fix]);
            }
            Ok(table.markdown())
        }
        Format::Table => {
            // Sentences are wrapped below each other; in columns they would be cut.
            let mut text = String::new();
            let width = checks.iter().map(|check| check.check.len()).max().unwrap_or(0);
            for check in checks {
                let status = format!("{:<4}", word(check.status));
                let found = inert::one_line(&check.detail);
                let line = wrapped(&format!("{status}  {:width$}  {found}\n", check.check), style);
                text += &line.replacen(&status, &colored(&status, check.status, style), 1);
                if let Some(fix) = check.fix.as_ref() {
                    text += &wrapped(&format!("      fix: {}\n", inert::one_line(fix)), style);
                }
            }
            let count = |status: Status| checks.iter().filter(|check| check.status == status).count();
            text += &format!("{} failed, {} to look at\n", count(Status::Fail), count(Status::Warn));
            Ok(text)
        }
    }
}

fn colored(word: &str, status: Status, style: Style) -> String {
    let code = match status {
        Status::Ok => 32,
        Status::Warn => 33,
        Status::Fail => 31,
        Status::Skip => 90,
    };
    if style.color { format!("\u{1b}[{code}m{word}\u{1b}[0m") } else { word.to_owned() }
}
