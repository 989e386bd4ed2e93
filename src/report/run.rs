//! What a run did, as text.

use super::{Style, units::count, wrapped};
use crate::{
    insights::next_steps::LOOK_WITH,
    operations::run::{Printed, Summary},
};

/// The messages that are this command's own output. A command stays on one line: half of it pasted would run.
pub(crate) fn messages(printed: &[Printed], style: Style) -> String {
    let whole = Style { width: None, ..style };
    let is_command = |line: &str| line.trim_start().strip_prefix(LOOK_WITH).is_some_and(|rest| rest.starts_with(':'));
    let shown = |line| wrapped(line, if is_command(line) { whole } else { style });
    printed.iter().map(|message| message.text.split_inclusive('\n').map(shown).collect::<String>() + "\n").collect()
}

/// A few lines that say what was done.
pub(crate) fn text(summary: &Summary, style: Style) -> String {
    let plural = |count: usize, one: &str| format!("{count} {one}{}", if count == 1 { "" } else { "s" });
    let mut text = String::new();
    if let Some(ingested) = &summary.ingested {
        text += &match ingested.periods {
            0 => "ingested: nothing new".into(),
            periods => format!("ingested: {}, {} rows", plural(periods, "billing period"), count(ingested.rows)),
        };
        if ingested.failures > 0 {
            text += &format!(", {} failed", ingested.failures);
        }
        text.push('\n');
    }
    if let Some(judged) = &summary.judged {
        let days = if judged.start == judged.end {
            judged.end.to_string()
        } else {
            format!("{} to {}", judged.start, judged.end)
        };
        text += &format!(
            "judged: {days}, {} series; incidents: {} opened, {} ended, {} open\n",
            count(judged.series as u64),
            judged.opened,
            judged.ended,
            summary.open
        );
    }
    for one in summary.notified.iter().filter(|one| one.sent) {
        text += &match one.incidents {
            0 => format!("notified {}: {}\n", one.channel, one.title),
            incidents => format!("notified {}: {} ({})\n", one.channel, plural(incidents, "incident"), one.title),
        };
    }
    for (channel, messages) in &summary.caught_up {
        text += &format!("delivered to {channel}: {} that had waited\n", plural(*messages, "message"));
    }
    if !summary.has_alerted() {
        text += "notified nobody: nothing is new\n";
    }
    if summary.suppressed > 0 {
        text += &format!("suppressed: {} (`notify --dry-run` says why)\n", plural(summary.suppressed, "open incident"));
    }
    if let Some(days) = summary.data_age_days.filter(|days| *days > 2) {
        text += &format!("the newest bills are {days} days old\n");
    }
    for waiting in &summary.waiting {
        let until = waiting
            .not_before
            .map_or(String::new(), |time| format!(", not before {} UTC", time.format("%Y-%m-%d %H:%M")));
        text += &format!(
            "waiting for {}: {} ({}{until})\n",
            waiting.channel,
            plural(waiting.messages, "message"),
            waiting.error
        );
    }
    wrapped(&text, style)
}
