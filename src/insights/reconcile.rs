//! The same month in two sources, or on an invoice: what differs, by how much, and why that is likely.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{Days, Months, NaiveDate};
use schemars::JsonSchema;
use serde::Serialize;

use super::{
    answer::{Answer, Header},
    warning::Warning,
};
use crate::{
    error::{Error, Result},
    inert,
    model::{
        ChargeCategory, Granularity, Metric, Period, first_of_month,
        source::{COST_EXPLORER, detail_rank},
    },
    store::{
        Facts,
        queries::{BillMonth, Delivered, MonthColumn, MonthCost},
    },
};

/// The one provider that Cost Explorer knows.
const AWS: &str = "AWS";

/// The service under which Cost Explorer has taxes; CUR has them under the product that is taxed.
const TAX: &str = "Tax";

/// A difference of less than this for each service is rounding: Cost Explorer rounds each group and day.
const ROUNDING: f64 = 0.05;

/// Days into the next month for which AWS restates a month.
const RESTATED_DAYS: u64 = 20;

/// Days that a more detailed source may lack.
const SPARE_DAYS: i64 = 2;

/// What to set side by side.
#[derive(Clone, Debug)]
pub(crate) struct Question {
    /// The first day of the month; without it the newest whole month that both sources have.
    pub month: Option<NaiveDate>,
    /// The more detailed source; without it the most detailed that has the month.
    pub source: Option<String>,
    /// The account that pays; all without it.
    pub payer: Option<String>,
    /// One metric; all without it.
    pub metric: Option<Metric>,
    /// The total of the invoice, tax and credits included.
    pub invoice: Option<f64>,
    /// Differences up to this are none.
    pub tolerance: f64,
    pub today: NaiveDate,
}

/// A month of Cost Explorer beside the same month of a bill.
#[derive(Clone, Debug, JsonSchema, Serialize)]
pub struct Reconciliation {
    /// Its first day.
    pub month: NaiveDate,
    /// The bill.
    pub detailed: Side,
    /// Absent when there is only an invoice to compare with.
    pub cost_explorer: Option<Side>,
    /// Differences up to this are none.
    pub tolerance: f64,
    /// Whether every difference is within the tolerance.
    pub agrees: bool,
    /// By metric.
    pub totals: Vec<Difference>,
    /// By account, service and metric, the largest difference first.
    pub rows: Vec<Difference>,
    /// The invoice beside the bill.
    pub invoice: Option<Difference>,
}

/// What is known of one source's month.
#[derive(Clone, Debug, JsonSchema, Serialize)]
pub struct Side {
    pub source: String,
    pub first_day: NaiveDate,
    pub last_day: NaiveDate,
    /// Whether it may still change.
    pub estimated: bool,
    pub ingested_at: String,
}

/// A figure in both.
#[derive(Clone, Debug, PartialEq, JsonSchema, Serialize)]
pub struct Difference {
    pub metric: &'static str,
    pub service: Option<String>,
    /// FOCUS's word; absent where Cost Explorer does not tell the categories apart.
    pub charge_category: Option<String>,
    pub detailed: f64,
    pub other: f64,
    /// `other - detailed`.
    pub difference: f64,
    pub reason: Option<String>,
}

/// Sets a month side by side.
///
/// # Errors
/// When the database does not have the month in both sources, or in one and no invoice is given.
pub(crate) fn reconcile(facts: &dyn Facts, question: &Question) -> Result<Answer<Reconciliation>> {
    let mut deliveries = facts.delivered_months()?;
    if let Some(payer) = &question.payer {
        check_payer(&deliveries, payer)?;
        deliveries.retain(|delivered| delivered.payer_account_id == *payer || delivered.data_source == COST_EXPLORER);
    }
    let has = |source: &str, month: NaiveDate| {
        deliveries.iter().any(|delivered| delivered.data_source == source && delivered.month == month)
    };
    let detailed_of = |month: NaiveDate| {
        let mut sources: Vec<&str> = deliveries
            .iter()
            .filter(|delivered| delivered.month == month && delivered.data_source != COST_EXPLORER)
            // An invoice may be of any provider.
            .filter(|delivered| delivered.provider == AWS || question.invoice.is_some() || question.source.is_some())
            .map(|delivered| delivered.data_source.as_str())
            .filter(|source| question.source.as_deref().is_none_or(|wanted| wanted == *source))
            .filter(|source| detail_rank(source).is_some() || question.source.is_some())
            .collect();
        // Of those that have about as many days as any, the most detailed.
        let days = |source: &str| {
            let own = deliveries.iter().filter(|own| own.data_source == source && own.month == month);
            own.map(|own| (own.last_day - own.first_day).num_days()).max().unwrap_or(0)
        };
        let most = sources.iter().map(|source| days(source)).max().unwrap_or(0);
        sources.retain(|source| days(source) + SPARE_DAYS >= most);
        let is_of_aws = |source: &str| {
            let mut own = deliveries.iter().filter(|own| own.data_source == source && own.month == month);
            own.any(|own| own.provider == AWS)
        };
        sources.sort_by_key(|source| (!is_of_aws(source), detail_rank(source)));
        // An invoice can be held against Cost Explorer alone.
        let alone = question.invoice.is_some() && question.source.is_none() && has(COST_EXPLORER, month);
        sources.first().copied().or(alone.then_some(COST_EXPLORER)).map(str::to_owned)
    };
    let month = match question.month {
        Some(month) => month,
        None => {
            let this_month = first_of_month(question.today);
            let both = |month: &NaiveDate| {
                detailed_of(*month).is_some() && (question.invoice.is_some() || has(COST_EXPLORER, *month))
            };
            let months: BTreeSet<NaiveDate> = deliveries.iter().map(|delivered| delivered.month).filter(both).collect();
            let whole = months.iter().rev().find(|month| **month < this_month);
            *whole.or(months.last()).ok_or_else(|| {
                Error::input("no month is in two sources")
                    .hint("ingest a CUR export, and the same month of Cost Explorer: `ingest --source cost-explorer --from … --to …`")
                    .hint("or give the invoice's total: `reconcile --month YYYY-MM --invoice AMOUNT`")
            })?
        }
    };
    if question.metric == Some(Metric::List) {
        return Err(Error::usage("Cost Explorer has no list cost").hint("choose another `--metric`"));
    }
    let shown = month.format("%Y-%m");
    let detailed = detailed_of(month).ok_or_else(|| {
        Error::input(format!("there is no CUR, CUR 2.0 or FOCUS bill of {shown}"))
            .hint("ingest one; `--source` names another vendor's")
    })?;
    let with_explorer = has(COST_EXPLORER, month) && detailed != COST_EXPLORER;
    if !with_explorer && question.invoice.is_none() {
        let last = Granularity::Monthly.period_of(month).end;
        return Err(Error::input(format!("there is no Cost Explorer data of {shown}"))
            .hint(format!("`aws-cost-anomalies ingest --source cost-explorer --from {month} --to {last}`, $0.01")));
    }
    let bill = BillMonth { data_source: &detailed, month, payer: question.payer.as_deref() };
    if question.invoice.is_some() {
        check_one_payer(&deliveries, bill)?;
    }
    let (ours, theirs, warning) =
        if with_explorer { both(facts, bill)? } else { (facts.month_costs(bill, None)?, Vec::new(), None) };
    let mut header = Header { currency: Some(single_currency(&ours, &theirs)?), ..Header::of(question.today) };
    header.warnings.extend(warning);
    let side = |source: &str| side(&deliveries, source, month);
    let sides = (side(&detailed)?, if with_explorer { Some(side(COST_EXPLORER)?) } else { None });
    let mut answer = Reconciliation {
        month,
        cost_explorer: None,
        detailed: sides.0,
        tolerance: question.tolerance,
        agrees: true,
        totals: Vec::new(),
        rows: Vec::new(),
        invoice: None,
    };
    if let Some(explorer) = sides.1 {
        answer.compare(&ours, &theirs, explorer, question, &mut header.warnings);
    }
    if let Some(amount) = question.invoice {
        // The invoice is of the whole bill, whatever of it Cost Explorer was asked for.
        let whole = facts.month_costs(bill, None)?;
        answer.invoice = Some(invoice(&whole, amount, month, question));
    }
    let differs = |difference: &&Difference| difference.difference.abs() > question.tolerance;
    if answer.totals.is_empty() && answer.invoice.is_none() {
        return Err(Error::input("there is nothing to compare")
            .cause(header.warnings.iter().map(Warning::text).collect::<Vec<_>>().join("; "))
            .hint("choose another `--metric`"));
    }
    answer.agrees = !answer.totals.iter().chain(&answer.rows).chain(&answer.invoice).any(|row| differs(&row));
    header.sources = [Some(&answer.detailed), answer.cost_explorer.as_ref()]
        .into_iter()
        .flatten()
        .map(|side| side.source.clone())
        .collect();
    Ok(Answer { header, body: answer })
}

/// The costs of both sources of the payers that both have, or else of the accounts that both have: credentials of
/// a member account see less than the bill of its payer.
fn both(facts: &dyn Facts, bill: BillMonth) -> Result<(Vec<MonthCost>, Vec<MonthCost>, Option<Warning>)> {
    let mut warning = None;
    let explorer = BillMonth { data_source: COST_EXPLORER, payer: None, ..bill };
    for (column, word) in [(MonthColumn::Payer, "payers"), (MonthColumn::UsageAccount, "accounts")] {
        let ours = facts.month_values(bill, column)?;
        let mut theirs = facts.month_values(explorer, column)?;
        if bill.payer.is_some() {
            theirs.retain(|value| ours.contains(value));
        }
        let common: Vec<String> = ours.iter().filter(|value| theirs.contains(value)).cloned().collect();
        let apart =
            |values: &[String]| values.iter().filter(|value| !common.contains(value)).cloned().collect::<Vec<_>>();
        let (only_ours, only_theirs) = (apart(&ours), apart(&theirs));
        if common.is_empty() {
            continue;
        }
        // An account that one of them lacks is a difference, unless they are of different payers at all.
        let excluded: Vec<String> = only_ours.into_iter().chain(only_theirs).collect();
        if !excluded.is_empty() {
            let (of, compared) = (word.to_owned(), common.clone());
            warning = Some(Warning::ComparedInPart { of, compared, excluded });
        }
        let only = Some((column, common.as_slice()));
        return Ok((facts.month_costs(bill, only)?, facts.month_costs(explorer, only)?, warning));
    }
    let (detailed, month) = (bill.data_source, bill.month.format("%Y-%m"));
    Err(Error::input(format!("{detailed} and Cost Explorer have no account in common in {month}"))
        .hint("they are bills of different organizations: fetch Cost Explorer with the payer's credentials"))
}

fn check_payer(deliveries: &[Delivered], payer: &str) -> Result<()> {
    let known: BTreeSet<&str> = deliveries.iter().map(|delivered| delivered.payer_account_id.as_str()).collect();
    if known.contains(payer) {
        return Ok(());
    }
    let known: Vec<&str> = known.into_iter().filter(|payer| !payer.is_empty()).take(8).collect();
    Err(Error::input(format!("there is no bill of the payer `{payer}`"))
        .hint(inert::one_line(&format!("there are: {}", known.join(", ")))))
}

/// An invoice is of one payer.
fn check_one_payer(deliveries: &[Delivered], bill: BillMonth) -> Result<()> {
    let own = deliveries.iter().filter(|own| own.data_source == bill.data_source && own.month == bill.month);
    let payers: BTreeSet<&str> = own.map(|own| own.payer_account_id.as_str()).collect();
    if payers.len() < 2 || bill.payer.is_some() {
        return Ok(());
    }
    let few: Vec<String> = payers.iter().take(8).map(|payer| format!("`--payer {}`", inert::shell(payer))).collect();
    Err(Error::usage(format!("{} of {} is of {} payers", bill.data_source, bill.month.format("%Y-%m"), payers.len()))
        .cause("an invoice is of one")
        .hint(format!("say which one: {}", few.join(", "))))
}

fn single_currency(ours: &[MonthCost], theirs: &[MonthCost]) -> Result<String> {
    let currencies: BTreeSet<&str> = ours.iter().chain(theirs).map(|cost| cost.currency.as_str()).collect();
    match currencies.len() {
        0 | 1 => Ok(currencies.first().map_or("USD", |currency| currency).to_owned()),
        _ => Err(Error::input(format!(
            "the month has costs in {}, which are not added",
            currencies.into_iter().collect::<Vec<_>>().join(" and ")
        ))),
    }
}

fn side(deliveries: &[Delivered], source: &str, month: NaiveDate) -> Result<Side> {
    let own = || deliveries.iter().filter(|delivered| delivered.data_source == source && delivered.month == month);
    let first = own().next().ok_or_else(|| Error::bug("a source without the month that it has"))?;
    let ingested_at = own().map(|own| own.ingested_at).fold(first.ingested_at, Ord::max);
    Ok(Side {
        source: source.to_owned(),
        first_day: own().map(|own| own.first_day).fold(first.first_day, Ord::min),
        last_day: own().map(|own| own.last_day).fold(first.last_day, Ord::max),
        estimated: own().any(|own| own.estimated),
        ingested_at: ingested_at.format("%Y-%m-%dT%H:%M:%SZ").to_string(),
    })
}

type Sums = BTreeMap<(String, Option<String>), (f64, f64)>;

impl Reconciliation {
    fn compare(
        &mut self,
        ours: &[MonthCost],
        theirs: &[MonthCost],
        explorer: Side,
        question: &Question,
        warnings: &mut Vec<Warning>,
    ) {
        // Without `--charge-categories` Cost Explorer has usage, fees and credits of a service in one sum.
        let split = theirs.iter().any(|cost| {
            let own = [ChargeCategory::Credit.as_str(), ChargeCategory::Adjustment.as_str()];
            own.contains(&cost.charge_category.as_str()) && cost.product_code != "Refund"
        });
        if !split {
            warnings.push(Warning::CategoriesNotSplit);
        }
        let explorer_days = (explorer.first_day, explorer.last_day);
        let detailed_days = (self.detailed.first_day, self.detailed.last_day);
        if explorer_days != detailed_days {
            let period = |(start, end)| Period { start, end };
            warnings.push(Warning::SourceDaysDiffer {
                detailed: self.detailed.source.clone(),
                detailed_days: period(detailed_days),
                cost_explorer_days: period(explorer_days),
            });
        }
        for (index, metric) in Metric::COSTS.iter().enumerate() {
            if question.metric.is_some_and(|wanted| wanted != *metric) {
                continue;
            }
            let known = |costs: &[MonthCost]| costs.iter().any(|cost| cost.costs[index].is_some());
            if !known(ours) || !known(theirs) {
                warnings.push(Warning::MetricMissing { metric: *metric });
                continue;
            }
            let mut sums = Sums::new();
            for (costs, is_ours) in [(ours, true), (theirs, false)] {
                for cost in costs {
                    let slot = sums.entry(key(cost, split)).or_default();
                    let amount = cost.costs[index].unwrap_or(0.0);
                    if is_ours { slot.0 += amount } else { slot.1 += amount }
                }
            }
            let total = |pick: fn(&(f64, f64)) -> f64| sums.values().map(pick).sum::<f64>();
            self.totals.push(difference(metric.name(), None, None, (total(|sum| sum.0), total(|sum| sum.1))));
            let context = Context {
                metric: *metric,
                metric_index: index,
                ours,
                sums: &sums,
                complete: explorer_days == detailed_days,
                days: (explorer_days, detailed_days),
                detailed: &self.detailed,
                explorer: &explorer,
                tolerance: question.tolerance,
            };
            let rows: Vec<Difference> = sums
                .iter()
                .map(|((service, category), sum)| {
                    let mut row = difference(metric.name(), Some(service.clone()), category.clone(), *sum);
                    row.reason = (row.difference.abs() > question.tolerance).then(|| context.reason(&row));
                    row
                })
                .collect();
            self.rows.extend(rows);
        }
        self.rows.sort_by(|a, b| a.metric.cmp(b.metric).then(b.difference.abs().total_cmp(&a.difference.abs())));
        self.cost_explorer = Some(explorer);
    }
}

/// Under what a cost is compared. Taxes are one line in Cost Explorer whatever is taxed.
fn key(cost: &MonthCost, split: bool) -> (String, Option<String>) {
    if cost.charge_category == TAX {
        return (TAX.to_owned(), Some(TAX.to_owned()));
    }
    (cost.product_code.clone(), split.then(|| cost.charge_category.clone()))
}

fn difference(
    metric: &'static str,
    service: Option<String>,
    category: Option<String>,
    (ours, theirs): (f64, f64),
) -> Difference {
    Difference {
        metric,
        service,
        charge_category: category,
        detailed: ours,
        other: theirs,
        difference: theirs - ours,
        reason: None,
    }
}

/// What a reason may be read from.
struct Context<'a> {
    metric: Metric,
    metric_index: usize,
    ours: &'a [MonthCost],
    sums: &'a Sums,
    complete: bool,
    days: ((NaiveDate, NaiveDate), (NaiveDate, NaiveDate)),
    detailed: &'a Side,
    explorer: &'a Side,
    tolerance: f64,
}

impl Context<'_> {
    /// The likeliest reason, the surest first. Unused fees of reservations by day and on the 1st:
    /// <https://github.com/awslabs/aws-well-architected-labs/issues/991>.
    fn reason(&self, row: &Difference) -> String {
        let gap = row.difference;
        let service = row.service.as_deref().unwrap_or_default();
        let near = |amount: f64| (gap - amount).abs() <= self.tolerance.max(0.01 * gap.abs());
        if gap.abs() <= ROUNDING {
            return "rounding".into();
        }
        if row.charge_category.as_deref() == Some(ChargeCategory::Credit.as_str())
            && (row.detailed == 0.0 || row.other == 0.0)
        {
            let side = if row.other == 0.0 { self.detailed.source.as_str() } else { "Cost Explorer" };
            return format!("credits: are in {side} only");
        }
        let credits = self.own(service, |cost| cost.charge_category == ChargeCategory::Credit.as_str());
        if credits != 0.0 && (near(-credits) || near(credits)) {
            let side = if near(-credits) { "this bill" } else { "Cost Explorer" };
            return format!("credits of {credits:.2} are in the costs of {side} only");
        }
        let tax_of_ours = self.own_all(|cost| cost.charge_category == TAX);
        if service == TAX && self.complete {
            if row.other == 0.0 || row.detailed == 0.0 {
                return "tax: one of the two has none yet; it comes with the invoice".into();
            }
            return "tax: is charged again when a month is restated; fetch both anew".into();
        }
        if tax_of_ours != 0.0 && near(tax_of_ours) {
            return "tax: is in this service's cost in one of the two".into();
        }
        let amortized = matches!(self.metric, Metric::Amortized | Metric::NetAmortized);
        let fees = self.own(service, |cost| cost.charge_category == ChargeCategory::Purchase.as_str());
        if amortized && fees != 0.0 && !self.complete {
            return format!(
                "fees of {fees:.2}: CUR dates the unused part of reservations on the 1st, Cost Explorer by day, and the days differ"
            );
        }
        if !self.complete {
            let ((from, to), (own_from, own_to)) = self.days;
            return format!("days: Cost Explorer has {from}..{to}, {} {own_from}..{own_to}", self.detailed.source);
        }
        let opposite = self.sums.iter().find(|((other, _), sum)| {
            other != service && ((sum.1 - sum.0) + gap).abs() <= self.tolerance.max(0.001 * gap.abs())
        });
        if let Some(((other, _), _)) = opposite {
            return format!("placement: the same amount is under `{other}`");
        }
        if row.detailed == 0.0 {
            return "only in Cost Explorer: a service with another name or code in CUR, or restated since".into();
        }
        if row.other == 0.0 {
            return format!(
                "only in {}: restated since, or not shown to this account in Cost Explorer",
                self.detailed.source
            );
        }
        if self.explorer.estimated || self.detailed.estimated {
            return format!(
                "restatement: the month is not final, and was read at {} and {}",
                self.detailed.ingested_at, self.explorer.ingested_at
            );
        }
        if amortized && fees != 0.0 {
            return format!("fees of {fees:.2} of commitments are spread in another way");
        }
        "not explained by credits, tax, fees, days or rounding; fetch both anew and compare".into()
    }

    fn own(&self, service: &str, is: impl Fn(&MonthCost) -> bool) -> f64 {
        self.own_all(|cost| cost.product_code == service && is(cost))
    }

    fn own_all(&self, is: impl Fn(&MonthCost) -> bool) -> f64 {
        self.ours.iter().filter(|cost| is(cost)).filter_map(|cost| cost.costs[self.metric_index]).sum()
    }
}

/// The invoice beside the unblended total, which is what AWS bills.
fn invoice(ours: &[MonthCost], amount: f64, month: NaiveDate, question: &Question) -> Difference {
    let tolerance = question.tolerance;
    let sum = |category: Option<&str>| -> f64 {
        let costs = ours.iter().filter(|cost| category.is_none_or(|category| cost.charge_category == category));
        costs.filter_map(|cost| cost.costs[0]).sum()
    };
    let mut difference = difference(Metric::Unblended.name(), None, None, (sum(None), amount));
    let gap = difference.difference;
    let near = |amount: f64| (gap - amount).abs() <= tolerance.max(0.01);
    let (tax, credits) = (sum(Some(TAX)), sum(Some(ChargeCategory::Credit.as_str())));
    difference.reason = (gap.abs() > tolerance).then(|| {
        if gap.abs() < 0.01 {
            "rounding".into()
        } else if tax != 0.0 && near(-tax) {
            format!("tax of {tax:.2} is not on the invoice's total given")
        } else if credits != 0.0 && near(-credits) {
            format!("credits of {credits:.2} are not on the invoice's total given")
        } else if tax != 0.0 && near(-tax - credits) {
            format!("tax of {tax:.2} and credits of {credits:.2} are not on the invoice's total given")
        } else if question.today < month + Months::new(1) + Days::new(RESTATED_DAYS) {
            "the month is not final: AWS closes it some days into the next and restates for about two weeks".into()
        } else {
            "not explained by tax or credits: AWS Marketplace and other sellers send invoices of their own".into()
        }
    });
    difference
}
