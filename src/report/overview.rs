//! The page of a team as markdown or as one HTML file without any external part.

use super::{
    Format, budgets,
    chart::{Svg, terminal},
    explain::causes,
    forecast, json, settled,
    table::{Column, Table},
    units::{change, money, percent},
};
use crate::{
    error::{Error, Result},
    inert,
    insights::warning::Warning,
    insights::{
        answer::Answer,
        change::HALF_CENT,
        compare::Comparison,
        course::ChartDay,
        group_names,
        overview::{ExplainedFinding, Overview},
        sentences,
    },
};

/// Pixels of the charts in HTML.
const WIDE: (u32, u32) = (860, 220);
const SMALL: (u32, u32) = (860, 130);

const CSS: &str = "body{font:15px/1.45 system-ui,sans-serif;color:#1f2328;max-width:900px;margin:2rem auto;padding:0 1rem}\
h1{font-size:1.5rem}h2{font-size:1.15rem;margin-top:2rem}h3{font-size:1rem;margin-bottom:.3rem}\
table{border-collapse:collapse;margin:.5rem 0}td,th{padding:.2rem .8rem .2rem 0;text-align:left;vertical-align:top}\
th{color:#59636e;font-weight:600}td.n,th.n{text-align:right;font-variant-numeric:tabular-nums}\
svg{max-width:100%;height:auto}.note{color:#59636e}.critical{color:#b42318}.warning{color:#9a6700}";

/// What a server gives of it.
///
/// # Errors
/// When it is to be CSV: a page is no table.
pub(crate) fn render(page: &Answer<Overview>, format: Format) -> Result<String> {
    match format {
        Format::Json => json(page),
        Format::Markdown | Format::Table => Ok(markdown(page)),
        Format::Csv => Err(Error::usage("an overview is written as `json` or `markdown` only")),
    }
}

/// Markdown, with the chart as text.
pub(crate) fn markdown(page: &Answer<Overview>) -> String {
    let prose = inert::markdown_lines;
    let mut text =
        format!("# {}\n\n{}\n", title(page), prose(&sentences::comparison(&page.week, page.header.currency())));
    if let Some(month) = &page.month {
        text += &format!("\nThe month so far: {}\n", prose(&sentences::comparison(month, page.header.currency())));
    }
    text += &format!("\n```text\n{}```\n", terminal(&page.chart, page.header.currency(), Some(100)));
    text += &format!(
        "\n## Where the month will end\n\n{}\n\n",
        prose(&forecast::headline(&page.month_end, page.header.currency()))
    );
    for line in forecast::summary(&page.month_end, page.header.currency()).lines() {
        text += &format!("- {}\n", prose(line));
    }
    text += &format!("\n{}", forecast::groups(&page.month_end, page.header.currency()).markdown());
    if !page.budgets.is_empty() {
        text += &format!("\n## Budgets\n\n{}\n", budgets::table(&page.budgets).markdown());
        page.budgets.iter().for_each(|budget| text += &format!("- {}\n", prose(&budget.sentence())));
    }
    text += &format!("\n## What moved in the week\n\n{}", movers(&page.week, page.header.currency()).markdown());
    text += &format!("\n{}", causes(&page.week.causes, page.week.total, page.header.currency()).markdown());
    text += "\n## Incidents of the last two weeks\n\n";
    if page.findings.is_empty() {
        text += "None.\n";
    }
    for told in &page.findings {
        text += &format!("- {}: {}\n", inert::markdown(&heading(told)), prose(&inert::one_line(&told.sentence)));
    }
    if page.more_findings > 0 {
        text += &format!("- and {} more\n", page.more_findings);
    }
    text += "\n## The data\n\n";
    quality(page).iter().for_each(|line| text += &format!("- {}\n", prose(&inert::one_line(line))));
    text
}

fn title(page: &Answer<Overview>) -> String {
    format!("Cloud costs up to {}", settled(&page.header))
}

fn heading(told: &ExplainedFinding) -> String {
    let finding = &told.finding;
    let who = match finding.group.is_empty() {
        true => format!("{} groups together", finding.groups),
        false => group_names(&finding.group, finding.account_name.as_deref()).join(" / "),
    };
    format!(
        "{} {who}, {} {}, {}",
        finding.id,
        finding.kind.name().replace('_', " "),
        finding.direction.name(),
        finding.severity.name()
    )
}

/// The groups that moved most, then all others and the total.
pub(crate) fn movers(compared: &Comparison, currency: &str) -> Table {
    let dimensions: Vec<String> = compared.group_by.0.iter().map(ToString::to_string).collect();
    let mut table = Table::new(vec![
        Column::name(dimensions.join(" / ")),
        Column::number("before"),
        Column::number("week"),
        Column::number("change"),
        Column::number("%").rank(1),
        Column::name("").rank(2),
    ]);
    for mover in &compared.movers {
        table.row(vec![
            group_names(&mover.group, mover.account_name.as_deref()).join(" / "),
            money(mover.change.before, currency),
            money(mover.change.after, currency),
            change(mover.change.change, currency),
            percent(mover.change.change_pct, true),
            mover.status.name().into(),
        ]);
    }
    let others = compared.others;
    if others.change.abs() >= HALF_CENT || others.before.abs() >= HALF_CENT {
        table.row(vec![
            format!("{} others", compared.other_groups + compared.unchanged),
            money(others.before, currency),
            money(others.after, currency),
            change(others.change, currency),
            percent(others.change_pct, true),
            String::new(),
        ]);
    }
    let total = compared.total;
    table.row(vec![
        "total".into(),
        money(total.before, currency),
        money(total.after, currency),
        change(total.change, currency),
        percent(total.change_pct, true),
        String::new(),
    ]);
    table
}

/// What a reader should know of the data, a line each.
fn quality(page: &Answer<Overview>) -> Vec<String> {
    let quality = &page.quality;
    let mut lines = vec![format!(
        "{} cost from {}, {} to {}",
        page.header.metric.unwrap_or_default().name().replace('_', " "),
        page.header.sources.join(","),
        quality.first_day,
        quality.newest_day
    )];
    if let Some(unsettled) = quality.unsettled {
        let days = match unsettled.days() {
            1 => unsettled.start.to_string(),
            _ => format!("{} to {}", unsettled.start, unsettled.end),
        };
        lines.push(format!("not part of this page, for it may still change: {days}"));
    }
    if !quality.missing.is_empty() {
        let days: Vec<String> = quality.missing.iter().take(5).map(ToString::to_string).collect();
        lines.push(format!("no data of {} days: {}", quality.missing.len(), days.join(", ")));
    }
    if let Some(hidden) = &quality.hidden_by_credits {
        let money = |amount: f64| money(amount, page.header.currency());
        lines.push(format!(
            "credits and refunds take {} off {} of spend: {} remain",
            money(-hidden.credits),
            money(hidden.spend),
            money(hidden.net)
        ));
    }
    lines.extend(page.header.warnings.iter().map(Warning::text));
    lines
}

/// One HTML file: styles and charts are inside.
///
/// # Errors
/// When a chart cannot be drawn, which is a bug.
pub(crate) fn html(page: &Answer<Overview>) -> Result<String> {
    let svg =
        |days: &[ChartDay], (width, height)| Svg { days, currency: page.header.currency(), width, height }.render();
    let mut body = format!(
        "<h1>{}</h1>\n<p>{}</p>\n",
        inert::html(&title(page)),
        inert::html_sentence(&sentences::comparison(&page.week, page.header.currency()))
    );
    if let Some(month) = &page.month {
        body += &format!(
            "<p>The month so far: {}</p>\n",
            inert::html_sentence(&sentences::comparison(month, page.header.currency()))
        );
    }
    body += &svg(&page.chart, WIDE)?;
    body += "\n<p class=\"note\">Daily cost (area), what was expected (line), flagged days (dots)</p>\n";
    body += "<h2>Where the month will end</h2>\n";
    body += &format!("<p>{}</p>\n", inert::html_sentence(&forecast::headline(&page.month_end, page.header.currency())));
    body += &svg(&forecast::chart_days(&page.month_end), SMALL)?;
    body += "\n<p class=\"note\">Cost by day (area), and what is expected (line)</p>\n<ul>\n";
    for line in forecast::summary(&page.month_end, page.header.currency()).lines() {
        body += &format!("<li>{}</li>\n", inert::html(line));
    }
    body += &format!("</ul>\n{}", forecast::groups(&page.month_end, page.header.currency()).html());
    if !page.budgets.is_empty() {
        body += &format!("<h2>Budgets</h2>\n{}<ul>\n", budgets::table(&page.budgets).html());
        for budget in &page.budgets {
            body += &format!("<li>{}</li>\n", inert::html_sentence(&budget.sentence()));
        }
        body += "</ul>\n";
    }
    body += &format!("<h2>What moved in the week</h2>\n{}", movers(&page.week, page.header.currency()).html());
    body += &causes(&page.week.causes, page.week.total, page.header.currency()).html();
    body += "<h2>Incidents of the last two weeks</h2>\n";
    if page.findings.is_empty() {
        body += "<p>None.</p>\n";
    }
    for told in &page.findings {
        let severity = told.finding.severity.name();
        body += &format!(
            "<h3 class=\"{severity}\">{}</h3>\n<p>{}</p>\n",
            inert::html(&heading(told)),
            inert::html_sentence(&told.sentence)
        );
        body += &svg(&told.chart, SMALL)?;
        body.push('\n');
    }
    if page.more_findings > 0 {
        body += &format!("<p>and {} more</p>\n", page.more_findings);
    }
    body += "<h2>The data</h2>\n<ul>\n";
    for line in quality(page) {
        body += &format!("<li>{}</li>\n", inert::html(&line));
    }
    body += "</ul>\n";
    Ok(format!(
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n<meta name=\"viewport\" content=\"width=device-width\">\n\
         <title>{}</title>\n<style>{CSS}</style>\n</head>\n<body>\n{body}</body>\n</html>\n",
        inert::html(&title(page))
    ))
}
