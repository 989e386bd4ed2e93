//! Where to look next: for what is metered, the command that shows who uses it. Sources are the documentation of the clouds' own tools.

use std::sync::LazyLock;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::change::{Members, MeterChange};
use crate::{analysis::attribution::without_region, inert, model::Dimension, store::queries::NONE};

/// What a message calls a command to look further with.
pub(crate) const LOOK_WITH: &str = "look with";

/// One thing to look at.
#[derive(Clone, Debug, PartialEq, JsonSchema, Serialize)]
pub struct NextStep {
    pub what: String,
    pub command: String,
    /// The page that says so.
    pub source: String,
}

/// What to do about a usage type: the first row that fits. `{account}`, `{region}`, `{resource}` (its name), `{start}` and `{end}`
/// are filled in.
const STEPS: &str = include_str!("next_steps.csv");

/// A row of [`STEPS`].
#[derive(Deserialize)]
struct Step {
    provider: String,
    /// Blank for all.
    service: String,
    /// A part of the usage type.
    usage_type_part: String,
    what: String,
    command: String,
    source: String,
}

static TABLE: LazyLock<Vec<Step>> = LazyLock::new(|| {
    // The rows are this program's own; a test reads them all.
    csv::Reader::from_reader(STEPS.as_bytes()).into_deserialize().flatten().collect()
});

/// So many are shown.
const MOST: usize = 3;

/// What to look at for the meters that changed most, `days` being the first and the last of the change. `provider_of` says whose the
/// costs of an account are; of providers without a tool of their own there is nothing to say.
pub(crate) fn next_steps(
    meters: &[MeterChange],
    contributors: &[Members],
    days: (&str, &str),
    provider_of: &dyn Fn(&str) -> Option<String>,
) -> Vec<NextStep> {
    let resource = contributors
        .iter()
        .find(|members| members.dimension == Dimension::Resource)
        .and_then(|members| members.members.iter().find(|member| member.value != NONE))
        .map(|member| name_of(&member.value));
    let mut steps: Vec<NextStep> = Vec::new();
    for (place, meter) in meters.iter().enumerate() {
        let usage_type = without_region(&meter.usage_type);
        let provider = provider_of(&meter.account);
        let fits = |step: &&Step| {
            provider.as_ref() == Some(&step.provider)
                && (step.service.is_empty() || step.service == meter.service)
                && usage_type.contains(&step.usage_type_part)
        };
        let Some(Step { what, command, source, .. }) = TABLE.iter().find(fits) else { continue };
        let region = if meter.region == "global" { "us-east-1" } else { &meter.region };
        let resource = resource.filter(|_| place == 0).unwrap_or("NAME");
        let places = [
            ("account", meter.account.as_str()),
            ("region", region),
            ("resource", resource),
            ("start", days.0),
            ("end", days.1),
        ];
        let command = filled(command, &places);
        if steps.iter().all(|step| step.command != command) {
            steps.push(NextStep { what: what.clone(), command, source: source.clone() });
        }
        if steps.len() == MOST {
            break;
        }
    }
    steps
}

/// The command with its places filled in, each by one word of a shell. A value that looks like a place is none.
fn filled(command: &str, places: &[(&str, &str)]) -> String {
    let mut parts = command.split('{');
    let mut text = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let place = part.split_once('}').and_then(|(name, rest)| {
            let (_, value) = places.iter().find(|(place, _)| *place == name)?;
            Some(inert::shell(value) + rest)
        });
        text += &place.unwrap_or_else(|| format!("{{{part}"));
    }
    text
}

/// The name at the end of an ARN; other ids as they are.
fn name_of(resource: &str) -> &str {
    // Names of log groups have slashes of their own.
    if let Some((_, group)) = resource.split_once(":log-group:") {
        return group.trim_end_matches(":*");
    }
    if resource.starts_with("arn:") { resource.rsplit(['/', ':']).next().unwrap_or(resource) } else { resource }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_come_from_the_end_of_arns() {
        assert_eq!(name_of("arn:aws:ec2:us-east-1:222222222222:natgateway/nat-0ab"), "nat-0ab");
        assert_eq!(name_of("arn:aws:lambda:us-east-1:222222222222:function:checkout"), "checkout");
        assert_eq!(name_of("arn:aws:logs:us-east-1:222222222222:log-group:/aws/lambda/x:*"), "/aws/lambda/x");
        assert_eq!(name_of("my-bucket"), "my-bucket");
    }

    #[test]
    fn names_of_a_bill_are_one_word_of_a_shell_each() {
        let command = "aws x --region {region} --dimensions Name=N,Value={resource} --query \"[?a>='{start}'].[b]\"";
        let filled = |region, resource| {
            filled(
                command,
                &[("region", region), ("resource", resource), ("start", "2026-03-01"), ("end", "2026-03-02")],
            )
        };
        assert_eq!(
            filled("us-east-1", "nat-0ab"),
            "aws x --region us-east-1 --dimensions Name=N,Value=nat-0ab --query \"[?a>='2026-03-01'].[b]\""
        );
        let hostile = filled("{resource}", "x; touch\n'pwned'");
        let expected = r"aws x --region '{resource}' --dimensions Name=N,Value='x; touch '\''pwned'\''' --query";
        assert!(hostile.starts_with(expected), "{hostile}");
    }

    #[test]
    fn commands_are_of_each_clouds_own_tools_and_sources_their_documentation() {
        let rows: Vec<Step> = csv::Reader::from_reader(STEPS.as_bytes())
            .into_deserialize()
            .collect::<Result<_, _>>()
            .expect("a table without mistakes");
        for (provider, tools, documentation) in [
            ("AWS", &["aws "][..], "https://docs.aws.amazon.com/"),
            ("Microsoft", &["az "], "https://learn.microsoft.com/cli/azure/"),
            ("Google Cloud", &["gcloud ", "bq "], "https://cloud.google.com/"),
        ] {
            let own: Vec<&Step> = rows.iter().filter(|row| row.provider == provider).collect();
            assert!(own.len() > 10, "{provider}: {}", own.len());
            assert!(own.last().is_some_and(|last| last.service.is_empty()), "{provider}: the last one is for all");
            for Step { command, source, .. } in own {
                assert!(tools.iter().any(|tool| command.starts_with(tool)), "{command}");
                assert!(source.starts_with(documentation), "{source}");
                assert!(provider == "AWS" || command.contains("{account}"), "{command}");
            }
        }
    }
}
