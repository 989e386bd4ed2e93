//! The tools: which operations a language model may ask, under which names, and which of their parameters it sees.

use super::Tool;
use crate::operations::Effect;

/// What all questions of costs share.
macro_rules! parameters {
    ($($name:literal),* ; costs) => { &[$($name,)* "metric", "filter"] };
    ($($name:literal),*) => { &[$($name),*] };
}

/// Fields of incidents that are for programs.
const OF_INCIDENTS: &[&str] = &[
    "scope",
    "history",
    "judged",
    "program",
    "threshold",
    "group_by",
    "group_values",
    "flagged_days",
    "last_impact",
    "opened_on",
];

/// All tools, in the order in which questions are usually asked.
pub static TOOLS: &[Tool] = &[
    Tool {
        name: "get_data_status",
        operation: "doctor",
        command: &["doctor"],
        about: "What data there is: sources, first and newest day, gaps, age. Ask it first, and whenever an answer is empty.",
        parameters: parameters![],
        fixed: &[("offline", "true")],
        ..Tool::READS
    },
    Tool {
        name: "get_overview",
        operation: "report",
        command: &["report"],
        about: "One page: last week and month, what moved, where the month will end, open findings with causes. For \"how are our costs?\".",
        parameters: parameters!["group_by", "top"; costs],
        left_out: &[
            "chart",
            "waterfall",
            "moves",
            "members",
            "findings.causes",
            "month_end.days",
            "intervals",
            "scenarios",
            "earlier",
            "include",
        ],
        ..Tool::READS
    },
    Tool {
        name: "list_incidents",
        operation: "incidents",
        command: &["incidents"],
        about: "Incidents of the ledger: what was found earlier, with id, dollars, state and triage.",
        parameters: parameters!["status", "since", "min_impact", "filter"],
        rows: "incidents",
        left_out: OF_INCIDENTS,
        ..Tool::READS
    },
    Tool {
        name: "explain_cost",
        operation: "explain",
        command: &["explain"],
        about: "Why a cost moved, of an incident id or of a service, account or region on a day: causes in dollars, contributors, meters, next steps.",
        parameters: parameters!["id", "service", "account", "region", "usage_type", "date", "top"; costs],
        left_out: &["chart", "before_days", "after_days"],
        ..Tool::READS
    },
    Tool {
        name: "get_cost_trend",
        operation: "trends",
        command: &["trends"],
        about: "Totals by day, week or month and by group. The exact way to \"how much did X cost\": take the total from here, add nothing up yourself.",
        parameters: parameters!["days", "from", "to", "granularity", "group_by", "top", "include", "source"; costs],
        rows: "periods",
        beside: "costs",
        left_out: &["periods.groups"],
        ..Tool::READS
    },
    Tool {
        name: "compare_periods",
        operation: "compare",
        command: &["compare"],
        about: "Two periods side by side: what rose, fell, is new or gone, and how much is usage, price, mix, commitments.",
        parameters: parameters!["from", "to", "month", "vs", "group_by", "top", "include", "source"; costs],
        left_out: &["waterfall"],
        ..Tool::READS
    },
    Tool {
        name: "drill_down",
        operation: "drilldown",
        command: &["drilldown"],
        about: "Follows a change from the total through account, service, region and usage type to the resource.",
        parameters: parameters!["from", "to", "month", "vs", "top"; costs],
        ..Tool::READS
    },
    Tool {
        name: "find_anomalies",
        operation: "anomalies",
        command: &["anomalies"],
        about: "Judges the newest settled day, or each day from `from` to `to`, and says which costs are not as they should be.",
        parameters: parameters!["from", "to", "group_by", "sensitivity", "min_impact"; costs],
        fixed: &[("no_save", "true")],
        rows: "findings",
        left_out: &["levels", "flagged_days"],
        ..Tool::READS
    },
    Tool {
        name: "get_forecast",
        operation: "forecast",
        command: &["forecast"],
        about: "Where the month, or the next days, will end, with intervals, drivers and how far to trust it.",
        parameters: parameters!["month", "days", "to", "group_by", "top"; costs],
        fixed: &[("no_save", "true")],
        left_out: &["days", "earlier"],
        ..Tool::READS
    },
    Tool {
        name: "list_values",
        operation: "values",
        command: &["values"],
        about: "Exact names of services, accounts, regions, tags with their cost. Filters take these: look a name up before you filter by it.",
        parameters: parameters!["dimension", "like", "days"; costs],
        rows: "values",
        pages: Some("top"),
        ..Tool::READS
    },
    Tool {
        name: "run_sql",
        operation: "sql",
        command: &["sql"],
        about: "One SELECT in DuckDB's SQL over cost_line_items, daily_cost_summary, ingestion_log, accounts (resource costs://schema, or \
                DESCRIBE). Only for what no other tool answers: it adds all sources up, also those of the same money.",
        parameters: parameters!["query", "timeout"],
        rows: "rows",
        left_out: &["columns"],
        pages: Some("limit"),
        ..Tool::READS
    },
    Tool {
        name: "triage_incident",
        operation: "triage",
        command: &["incidents"],
        subcommand: Some("triage"),
        about: "Marks incidents: ack, snooze until a day, expect (needs a reason), or undo. Only when the user asks for it.",
        parameters: parameters!["ids", "triage", "until", "reason", "by"],
        left_out: OF_INCIDENTS,
        effect: Effect::Write,
        ..Tool::READS
    },
];

/// What else our own agent may read; in an assistant's memory they would take more room than they are asked for.
pub static OWN: &[Tool] = &[
    Tool {
        name: "get_budgets",
        operation: "budgets",
        command: &["budgets"],
        about: "How the budgets of the configuration stand: spent, expected, how likely the amount is exceeded.",
        parameters: parameters!["name"],
        rows: "budgets",
        ..Tool::READS
    },
    Tool {
        name: "reconcile_month",
        operation: "reconcile",
        command: &["reconcile"],
        about: "Whether the sources of a month agree with each other, or with an invoice.",
        parameters: parameters!["month", "invoice"],
        ..Tool::READS
    },
];

/// What reaches out of this machine or writes, for our own agent: each is asked for before it runs.
pub static ASKED_FOR: &[Tool] = &[
    Tool {
        name: "ingest_bills",
        operation: "ingest",
        command: &["ingest"],
        about: "Reads bills into the database: what is configured, paths, or `source` cost-explorer ($0.01 a request). Only when data is missing.",
        parameters: parameters!["paths", "source", "from", "to"],
        effect: Effect::Spends,
        ..Tool::READS
    },
    Tool {
        name: "get_live_costs",
        operation: "live_costs",
        command: &["live", "costs"],
        about: "Costs as Cost Explorer has them now, $0.01 a request. Only for days or questions that the database does not have.",
        parameters: parameters!["from", "to", "by", "monthly", "metric"],
        rows: "costs",
        is_paid: true,
        effect: Effect::Spends,
        ..Tool::READS
    },
    Tool {
        name: "get_estimated_charges",
        operation: "live_charges",
        command: &["live", "charges"],
        about: "What AWS estimates for the month so far (CloudWatch billing metrics), live.",
        parameters: parameters!["from", "to"],
        rows: "estimates",
        is_paid: true,
        effect: Effect::Spends,
        ..Tool::READS
    },
    Tool {
        name: "list_aws_budgets",
        operation: "budgets_import",
        command: &["budgets", "import"],
        about: "The budgets that AWS Budgets has for an account, live.",
        parameters: parameters!["account"],
        ..Tool::READS
    },
    Tool {
        name: "list_organization_accounts",
        operation: "accounts",
        command: &["accounts"],
        about: "All accounts with their names, which AWS Organizations is asked for, live.",
        parameters: parameters![],
        fixed: &[("refresh", "true")],
        effect: Effect::Write,
        ..Tool::READS
    },
];

/// One incident with its history, which is a resource and no tool: `explain_cost` says more.
pub static INCIDENT: Tool = Tool {
    name: "incident",
    operation: "incident",
    command: &["incidents"],
    parameters: parameters!["id"],
    left_out: &["scope", "judged"],
    ..Tool::READS
};

/// Shorter words for parameters than the help of the flag has.
pub(super) fn words(parameter: &str) -> Option<&'static str> {
    Some(match parameter {
        "group_by" => "joined by +: service, account, region, usage-type, resource, provider, tag:KEY",
        "source" => "mostly none",
        "filter" => "service=AmazonEC2, account=ID, region!=us-east-1, tag:team=web",
        "include" => "further categories, such as credits, tax",
        "top" => "groups by name",
        "dimension" => "service, account, region, usage-type, resource, tag:KEY",
        "min_impact" => "in money",
        "query" | "timeout" | "service" | "account" | "region" | "usage_type" | "days" => "",
        "date" | "since" | "until" => "YYYY-MM-DD",
        "month" => "YYYY-MM",
        "id" => "of an incident",
        "ids" => "of incidents",
        "by" => "who says so",
        _ => return None,
    })
}
