//! Files that no manifest speaks for: which belong together, and what becomes of what is stored of their months.
//! A former version is replaced; what may be a part of the month is never lost and never counted twice by guessing.

use std::{collections::BTreeSet, path::Path};

use chrono::{Days, NaiveDate};

use super::{Done, Outcome, Request, Unit, cannot_ingest, forms};
use crate::{
    error::{Error, Result},
    inert,
    model::money,
    sources::{Bill, Format},
    store::{
        Store,
        delivery::{Loaded, Mode},
        former::{Fate, FormerLoad},
        overlap::Surplus,
    },
};

/// Groups loose files that may hold the same money: payer and period. Only where there are several is a look inside
/// needed.
pub(super) fn group(
    store: &Store,
    bills: Vec<Bill>,
    request: &Request,
    outcome: &mut Outcome,
    done: &mut Done,
) -> Vec<Unit> {
    let several = bills.len() > 1;
    let mut groups: Vec<(BTreeSet<_>, Vec<Bill>)> = Vec::new();
    for mut bill in bills {
        let source = bill.data_source.clone();
        let scopes = if several { forms::scopes(store, &mut bill, request.today) } else { Ok(Vec::new()) };
        let scopes = match scopes {
            Ok(scopes) => scopes,
            Err(error) => {
                outcome.failures.push(error.context(cannot_ingest(bill.shown().as_ref())));
                done.broken.extend(bill.path.parent().map(Path::to_owned));
                done.failed.insert(bill.key);
                continue;
            }
        };
        if several && scopes.is_empty() {
            done.failed.insert(bill.key.clone());
            // A vendor's month without charges is no fault, unless there were some.
            if !store.has_rows_of(&bill.key).unwrap_or(true) {
                outcome.without_rows.push(bill.shown());
                continue;
            }
        }
        let mut scopes: BTreeSet<_> = scopes.into_iter().map(|scope| (source.clone(), scope)).collect();
        let mut members = vec![bill];
        let (same, others): (Vec<_>, Vec<_>) =
            groups.into_iter().partition(|(other, _)| other.intersection(&scopes).next().is_some());
        for (other_scopes, other_bills) in same.into_iter().rev() {
            scopes.extend(other_scopes);
            members.splice(0..0, other_bills);
        }
        groups = others;
        groups.push((scopes, members));
    }
    if groups.is_empty() && outcome.failures.is_empty() {
        outcome.failures.extend(outcome.without_rows.drain(..).map(|path| {
            Error::input(cannot_ingest(path.as_ref()))
                .cause("there are no rows")
                .cause("the files have a header and nothing below it")
        }));
    }
    let units = groups.into_iter().map(|(_, bills)| Unit {
        label: match bills.as_slice() {
            [one] => format!("`{}`", one.shown()),
            [first, rest @ ..] => format!("`{}` and {} more of the same period", first.shown(), rest.len()),
            [] => String::new(),
        },
        data_source: bills.first().map(|bill| bill.data_source.clone()).unwrap_or_default(),
        export: String::new(),
        assembly_id: String::new(),
        period: None,
        rows: None,
        bills,
    });
    units.collect()
}

/// Says what becomes of a former load of a month that `unit` is of, too.
///
/// # Errors
/// When replacing it would lose money, keeping it would count some twice, or nothing says which it is.
pub(super) fn judge(
    unit: &Unit,
    request: &Request,
    done: &Done,
    siblings: &[String],
    former: &FormerLoad,
) -> Result<Fate> {
    let is_mine = |key: &String| unit.bills.iter().any(|bill| bill.key == *key);
    if former.same_file && unit.export.is_empty() && !former.export.is_empty() {
        return Err(Error::input(format!(
            "it is a part of the export `{}`, which was ingested by its manifest",
            former.export
        ))
        .hint("ingest the folder of the export, with its manifest"));
    }
    if has_broken_neighbour(unit, done) {
        return Err(broken_neighbour());
    }
    if let Some(key) = former.keys.iter().find(|key| done.failed.contains(*key)) {
        return Err(Error::input(format!("`{key}` is a part of the same period and could not be read"))
            .hint("mend or remove it; the period is kept as it was"));
    }
    let left_behind = |key: &&String| {
        !is_mine(key) && siblings.contains(key) && !done.named.contains(*key) && Path::new(key).exists()
    };
    let mode = request.mode();
    if let Some(key) = former.keys.iter().find(left_behind).filter(|_| unit.period.is_none() && mode != Mode::Force) {
        return Err(Error::input(format!("`{key}` was ingested together with it and has rows of the same period"))
            .hint("ingest them in one command again; `--full-refresh` replaces all by what is named"));
    }
    let in_this_command = former.keys.iter().find(|key| done.keys.contains(*key));
    if let Some(key) = in_this_command.filter(|_| mode != Mode::Add) {
        return Err(Error::input(format!("it holds the same period of the same accounts as `{key}` of this command"))
            .cause("that would count the same money twice")
            .hint("ingest one of the two"));
    }
    let fate = if mode == Mode::Force { Fate::Replaced } else { relation(unit, mode, former)? };
    let unnamed =
        unit.bills.iter().any(|bill| bill.format == Format::Csv && bill.data_source == Format::Csv.data_source());
    match former.keys.iter().find(|key| !is_mine(key)) {
        Some(key) if fate == Fate::Replaced && unnamed && mode != Mode::Force => Err(Error::input(format!(
            "it would replace what came from `{key}`"
        ))
        .hint("name the vendor of each with `--data-source NAME`; a restated bill replaces that of its own name")),
        _ => Ok(fate),
    }
}

/// What the lines say of the two loads.
fn relation(unit: &Unit, mode: Mode, former: &FormerLoad) -> Result<Fate> {
    let FormerLoad { overlap, .. } = former;
    if overlap.left_in_right && unit.export.is_empty() && !former.same_file {
        return Ok(Fate::HoldsAll);
    }
    let same = overlap.is_same_money();
    if same && overlap.only_right == 0 && overlap.left_has_lines_of_right() {
        return Ok(Fate::Replaced);
    }
    if !same && (mode == Mode::Add || former.stood_beside || former.other_provider) {
        return Ok(Fate::Stays);
    }
    let month = former.billing_period.format("%Y-%m");
    let from = match former.keys.as_slice() {
        [one] => format!("`{one}`"),
        [first, rest @ ..] => format!("`{first}` and {} more", rest.len()),
        [] => "another file".to_owned(),
    };
    let brings = surplus(&former.brings);
    let lacks = surplus(&former.lacks);
    let cost = money(former.cost, &former.currency);
    if !former.lacks.accounts.is_empty() && (same || former.brings.days.is_empty() && former.brings.accounts.is_empty())
    {
        return Err(Error::input(format!(
            "it has some of the accounts that {from} brought of {month}, not all: it lacks {lacks}"
        ))
        .cause("replacing that would lose the others, keeping it would count some twice")
        .hint(together(unit, former))
        .hint("`--full-refresh` replaces all the same"));
    }
    if same {
        let what = if lacks.is_empty() { "most of the lines".to_owned() } else { lacks };
        let also = if brings.is_empty() { String::new() } else { format!(", and brings {brings}") };
        return Err(Error::input(format!("it lacks {what} that {from} brought of {month}{also}"))
            .cause(format!("replacing that ({cost}) would lose money, keeping both would count the rest twice"))
            .hint("ingest the whole month; `--full-refresh` replaces what is stored by this file all the same"));
    }
    let brings = if brings.is_empty() { "other lines of the same days".to_owned() } else { brings };
    let lacks = if lacks.is_empty() { "the lines".to_owned() } else { lacks };
    Err(Error::input(format!(
        "it is a part of {month}, no new version of it: it brings {brings}, and lacks {lacks} that came from {from}"
    ))
    .cause(format!("replacing that ({cost}) would lose money"))
    .hint(together(unit, former))
    .hint("or count it beside what is stored: `--add`; `--full-refresh` replaces what is stored"))
}

/// The command that takes both together.
fn together(unit: &Unit, former: &FormerLoad) -> String {
    let stored = former.keys.iter().filter(|key| !unit.bills.iter().any(|bill| bill.key == **key));
    let own = unit.bills.iter().map(Bill::shown);
    let mut paths: Vec<String> = stored.cloned().chain(own).collect();
    const SHOWN: usize = 4;
    if paths.len() > SHOWN {
        return format!("ingest all {} files of the month in one command, or the folder that they are in", paths.len());
    }
    paths = paths.into_iter().map(|path| inert::shell(&path)).collect();
    format!("take them together: `aws-cost-anomalies ingest {}`", paths.join(" "))
}

/// Days and accounts in few words: `2026-05-01..05-10`, `4 days from 2026-05-01 to 05-28`, `the accounts 1, 2`.
fn surplus(surplus: &Surplus) -> String {
    let accounts = match surplus.accounts.as_slice() {
        [] => None,
        [one] => Some(format!("the account {one}")),
        few if few.len() <= 3 => Some(format!("the accounts {}", few.join(", "))),
        [first, ..] => Some(format!("{} accounts, such as {first},", surplus.accounts.len())),
    };
    [days(&surplus.days), accounts].into_iter().flatten().collect::<Vec<_>>().join(" and ")
}

fn days(days: &[NaiveDate]) -> Option<String> {
    let (first, last) = (days.first()?, days.last()?);
    let whole = days.windows(2).all(|pair| pair[0] + Days::new(1) == pair[1]);
    Some(match days.len() {
        1 => first.to_string(),
        _ if whole => format!("{first}..{}", last.format("%m-%d")),
        count => format!("{count} days from {first} to {}", last.format("%m-%d")),
    })
}

/// Refuses parts of a month of which one could not be read.
///
/// # Errors
/// When a file beside those of `unit` is broken, and the month has several files or is stored already.
pub(super) fn has_all_parts(unit: &Unit, done: &Done, loaded: &Loaded) -> Result<()> {
    let several = unit.bills.len() > 1 || !loaded.replaced.is_empty();
    if several && has_broken_neighbour(unit, done) { Err(broken_neighbour()) } else { Ok(()) }
}

fn has_broken_neighbour(unit: &Unit, done: &Done) -> bool {
    let mut folders = unit.bills.iter().filter_map(|bill| bill.path.parent());
    unit.period.is_none() && folders.any(|folder| done.broken.contains(folder))
}

fn broken_neighbour() -> Error {
    Error::input("a file beside it could not be read and may be a part of the same period")
        .hint("mend or remove that file, or name the good ones one by one; the period is kept as it was")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn dates(texts: &[&str]) -> Vec<NaiveDate> {
        texts.iter().map(|text| text.parse().expect("a date")).collect()
    }

    #[test]
    fn days_and_accounts_are_said_in_few_words() {
        let accounts = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
        for (days, names, expected) in [
            (&["2026-05-01"][..], &[][..], "2026-05-01"),
            (&["2026-05-01", "2026-05-02", "2026-05-03"], &[], "2026-05-01..05-03"),
            (&["2026-05-01", "2026-05-09"], &["1"], "2 days from 2026-05-01 to 05-09 and the account 1"),
            (&[], &["1", "2", "3", "4"], "4 accounts, such as 1,"),
        ] {
            assert_eq!(surplus(&Surplus { days: dates(days), accounts: accounts(names) }), expected);
        }
    }
}
