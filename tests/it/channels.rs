//! Every kind of channel against a server that checks what it is sent, and what goes wrong on the way.

use std::{process::Command, time::Duration};

use serde_json::Value;

use crate::{
    fake_services::{FakeServices, Fault, HOOK_SECRET, SLACK_TOKEN, TWILIO_TOKEN},
    harness::{Run, Sandbox},
    levels::{bill, day, from_60},
    servers::Server,
};

/// What appears nowhere but in requests.
const ROUTING_KEY: &str = "0123456789abcdef0123456789abcdef";
const PASSWORD: &str = "correct-horse-battery";
const BEARER: &str = "Bearer of-the-relay-7c1";
const SID: &str = "AC0123456789abcdef0123456789abcdef";

/// 63 days of bills, in which AmazonRDS of one account costs 80 a day more from the day before yesterday on.
fn moved() -> Sandbox {
    let sandbox = Sandbox::new();
    sandbox.write(
        "a.csv",
        bill(63, |account, service, index| if (account, service) == (0, 1) { from_60(index, 80.0) } else { 0.0 }),
    );
    sandbox
}

fn configure(sandbox: &Sandbox, channels: &str, more: &str) {
    sandbox.write("config.yaml", format!("notify:\n  timeout_seconds: 2\n{more}\n  channels:\n{channels}\n"));
}

/// A command with the secrets of all channels.
fn command(sandbox: &Sandbox, services: &FakeServices, arguments: &[&str]) -> Command {
    let mut command = sandbox.command(arguments);
    command.env("SLACK_WEBHOOK", format!("{}/services/T0/B0/SLACKSECRET", services.url));
    command.env("SLACK_TOKEN", SLACK_TOKEN).env("TEAMS_WEBHOOK", format!("{}/teams/sig=TEAMSSECRET", services.url));
    command.env("HOOK_URL", format!("{}/hook/HOOKPATHSECRET", services.url)).env("HOOK_SECRET", HOOK_SECRET);
    command.env("BEARER", BEARER).env("ROUTING_KEY", ROUTING_KEY).env("TWILIO_TOKEN", TWILIO_TOKEN);
    command.env("SMTP_PASSWORD", PASSWORD);
    command.env("AWS_ACCESS_KEY_ID", "AKIAIOSFODNN7EXAMPLE").env("AWS_SECRET_ACCESS_KEY", crate::fake_aws::SECRET);
    command.env("AWS_REGION", "us-east-1").env("AWS_ENDPOINT_URL", &services.url);
    command
}

fn morning(sandbox: &Sandbox, services: &FakeServices, more: &[&str]) -> Run {
    let as_of = day(63).to_string();
    sandbox.finish(command(sandbox, services, &[&["run", "a.csv", "--as-of", &as_of], more].concat()))
}

fn every_channel(services: &FakeServices) -> String {
    let url = &services.url;
    format!(
        "  - {{ name: slack-hook, slack: {{ webhook: {{ env: SLACK_WEBHOOK }} }} }}
  - {{ name: slack-bot, slack: {{ token: {{ env: SLACK_TOKEN }}, channel: C0COSTS, api_url: '{url}/api' }} }}
  - {{ name: teams, teams: {{ webhook: {{ env: TEAMS_WEBHOOK }} }} }}
  - {{ name: relay, webhook: {{ url: {{ env: HOOK_URL }}, secret: {{ env: HOOK_SECRET }}, headers: {{ authorization: {{ env: BEARER }} }} }} }}
  - {{ name: pager, pagerduty: {{ routing_key: {{ env: ROUTING_KEY }}, url: '{url}/v2/enqueue' }} }}
  - {{ name: phones, twilio: {{ account_sid: {SID}, auth_token: {{ env: TWILIO_TOKEN }}, from: '+14155550100',
      to: ['+14155550123', '+4915155550123'], api_url: '{url}' }} }}
  - {{ name: topic, sns: {{ topic_arn: 'arn:aws:sns:eu-west-1:111122223333:costs' }} }}
  - {{ name: topic-fifo, sns: {{ topic_arn: 'arn:aws:sns:us-east-1:111122223333:costs.fifo' }} }}
  - {{ name: log, file: {{ path: alerts.jsonl, format: json }} }}
  - {{ name: plain-log, file: {{ path: alerts.txt }} }}"
    )
}

fn no_secret_in(what: &str, text: &str) {
    let secrets = [
        "SLACKSECRET",
        SLACK_TOKEN,
        "TEAMSSECRET",
        "HOOKPATHSECRET",
        HOOK_SECRET,
        &HOOK_SECRET[6..],
        BEARER,
        ROUTING_KEY,
        TWILIO_TOKEN,
        PASSWORD,
    ];
    for secret in secrets.iter().chain([&crate::fake_aws::SECRET]) {
        assert!(!text.contains(secret), "{what} has {secret}");
    }
}

#[test]
fn every_channel_gets_a_message_that_its_service_takes() {
    let services = FakeServices::start();
    let sandbox = moved();
    configure(
        &sandbox,
        &every_channel(&services),
        "  links: [{ name: Runbook, url: 'https://wiki.example.com/{service}?account={account}&id={id}' }]",
    );
    let run = morning(&sandbox, &services, &[]);
    services.assert_clean();
    insta::assert_snapshot!(run, @"
    ingested: 3 billing periods, 1,890 rows
    judged: 2026-03-03, 36 series; incidents: 1 opened, 0 ended, 1 open
    notified slack-hook: 1 incident (Cost incident: AmazonRDS / 111111111111 (team-0): +$81.00 a day since 2026-03-02)
    notified slack-bot: 1 incident (Cost incident: AmazonRDS / 111111111111 (team-0): +$81.00 a day since 2026-03-02)
    notified teams: 1 incident (Cost incident: AmazonRDS / 111111111111 (team-0): +$81.00 a day since 2026-03-02)
    notified relay: 1 incident (Cost incident: AmazonRDS / 111111111111 (team-0): +$81.00 a day since 2026-03-02)
    notified pager: 1 incident (Cost incident: AmazonRDS / 111111111111 (team-0): +$81.00 a day since 2026-03-02)
    notified phones: 1 incident (Cost incident: AmazonRDS / 111111111111 (team-0): +$81.00 a day since 2026-03-02)
    notified topic: 1 incident (Cost incident: AmazonRDS / 111111111111 (team-0): +$81.00 a day since 2026-03-02)
    notified topic-fifo: 1 incident (Cost incident: AmazonRDS / 111111111111 (team-0): +$81.00 a day since 2026-03-02)
    notified log: 1 incident (Cost incident: AmazonRDS / 111111111111 (team-0): +$81.00 a day since 2026-03-02)
    notified plain-log: 1 incident (Cost incident: AmazonRDS / 111111111111 (team-0): +$81.00 a day since 2026-03-02)
    --- stderr
    ingested `a.csv`: 1,890 rows
    note: the newest data is of 2026-03-04, 1 days before 2026-03-05: reading as of that day
    --- exit code 0
    ");
    let received = services.received();
    let of = |service: &str| received.iter().filter(|one| one.service == service).collect::<Vec<_>>();
    let count = |service: &str| of(service).len();
    let counts = ["slack-webhook", "slack", "teams", "hook", "pagerduty", "twilio", "sns"].map(count);
    assert_eq!(counts, [1, 1, 1, 1, 1, 2, 2], "one message a channel; each telephone, each incident of PagerDuty");
    insta::assert_snapshot!(pretty(&of("slack-webhook")[0].body), @r#"
    {
      "text": "Cost incident: AmazonRDS / 111111111111 (team-0): +$81.00 a day since 2026-03-02\ncritical, 5c269b652e9b; $99.69 → $180.49",
      "blocks": [
        {
          "type": "header",
          "text": {
            "type": "plain_text",
            "text": "Cost incident: AmazonRDS / 111111111111 (team-0): +$81.00 a day since 2026-03-02"
          }
        },
        {
          "type": "divider"
        },
        {
          "type": "section",
          "text": {
            "type": "mrkdwn",
            "text": ":red_circle: *critical, new*\nAmazonRDS in team-0 has cost $180.61 a day since 2026-03-02, $81.00 a day more (+81 %) than before. It goes on: $2,465.38 a month more at the $180.61 a day of its newest days.",
            "verbatim": true
          }
        },
        {
          "type": "section",
          "fields": [
            {
              "type": "mrkdwn",
              "text": "*expected → actual*\n$99.69 → $180.49 on 2026-03-03",
              "verbatim": true
            },
            {
              "type": "mrkdwn",
              "text": "*so far*\n+$161.60 since 2026-03-02",
              "verbatim": true
            }
          ]
        },
        {
          "type": "actions",
          "elements": [
            {
              "type": "button",
              "text": {
                "type": "plain_text",
                "text": "Runbook"
              },
              "url": "https://wiki.example.com/AmazonRDS?account=111111111111&id=5c269b652e9b",
              "action_id": "link-0"
            }
          ]
        },
        {
          "type": "context",
          "elements": [
            {
              "type": "mrkdwn",
              "text": "`aws-cost-anomalies explain 5c269b652e9b`",
              "verbatim": true
            }
          ]
        },
        {
          "type": "context",
          "elements": [
            {
              "type": "mrkdwn",
              "text": "bills judged through 2026-03-03\nto keep it quiet: aws-cost-anomalies ack 5c269b652e9b, snooze 5c269b652e9b --until DATE, or expect 5c269b652e9b --reason TEXT",
              "verbatim": true
            }
          ]
        }
      ]
    }
    "#);
    insta::assert_snapshot!(pretty(&of("teams")[0].body), @r#"
    {
      "type": "message",
      "attachments": [
        {
          "contentType": "application/vnd.microsoft.card.adaptive",
          "contentUrl": null,
          "content": {
            "$schema": "http://adaptivecards.io/schemas/adaptive-card.json",
            "type": "AdaptiveCard",
            "version": "1.4",
            "body": [
              {
                "type": "TextBlock",
                "text": "Cost incident: AmazonRDS / 111111111111 (team-0): +$81.00 a day since 2026-03-02",
                "weight": "bolder",
                "size": "medium",
                "wrap": true
              },
              {
                "type": "Container",
                "separator": true,
                "items": [
                  {
                    "type": "TextBlock",
                    "text": "critical, new",
                    "weight": "bolder",
                    "color": "attention",
                    "wrap": true
                  },
                  {
                    "type": "TextBlock",
                    "text": "AmazonRDS in team-0 has cost $180.61 a day since 2026-03-02, $81.00 a day more (+81 %) than before. It goes on: $2,465.38 a month more at the $180.61 a day of its newest days.",
                    "wrap": true
                  },
                  {
                    "type": "FactSet",
                    "facts": [
                      {
                        "title": "expected → actual",
                        "value": "$99.69 → $180.49 on 2026-03-03"
                      },
                      {
                        "title": "so far",
                        "value": "+$161.60 since 2026-03-02"
                      }
                    ]
                  },
                  {
                    "type": "TextBlock",
                    "text": "aws-cost-anomalies explain 5c269b652e9b",
                    "fontType": "monospace",
                    "size": "small",
                    "wrap": true
                  }
                ]
              },
              {
                "type": "TextBlock",
                "text": "bills judged through 2026-03-03",
                "size": "small",
                "isSubtle": true,
                "wrap": true
              },
              {
                "type": "TextBlock",
                "text": "to keep it quiet: aws-cost-anomalies ack 5c269b652e9b, snooze 5c269b652e9b --until DATE, or expect 5c269b652e9b --reason TEXT",
                "size": "small",
                "isSubtle": true,
                "wrap": true
              }
            ],
            "actions": [
              {
                "type": "Action.OpenUrl",
                "title": "Runbook: AmazonRDS / 111111111111 (team-0)",
                "url": "https://wiki.example.com/AmazonRDS?account=111111111111&id=5c269b652e9b"
              }
            ]
          }
        }
      ]
    }
    "#);
    insta::assert_snapshot!(pretty(&of("hook")[0].body), @r#"
    {
      "schema_version": 1,
      "id": "c34d63e2969594b8",
      "about": "incidents",
      "title": "Cost incident: AmazonRDS / 111111111111 (team-0): +$81.00 a day since 2026-03-02",
      "as_of": "2026-03-05",
      "settled_through": "2026-03-03",
      "alerts": [
        {
          "id": "5c269b652e9b",
          "event": "opened",
          "severity": "critical",
          "kind": "point",
          "direction": "up",
          "subject": "AmazonRDS / 111111111111 (team-0)",
          "previous_subject": null,
          "group": {
            "service": "AmazonRDS",
            "account": "111111111111"
          },
          "account_name": "team-0",
          "owner": null,
          "since": "2026-03-02",
          "last_date": "2026-03-03",
          "has_ended": false,
          "metric": "net_amortized",
          "currency": "USD",
          "per_day": 80.99799475,
          "peak_date": "2026-03-03",
          "expected": 99.69309875434648,
          "actual": 180.491475,
          "impact": 80.79837624565353,
          "impact_total": 161.5967920453067,
          "at_stake": 323.1935445366138,
          "sentence": "AmazonRDS in team-0 has cost $180.61 a day since 2026-03-02, $81.00 a day more (+81 %) than before. It goes on: $2,465.38 a month more at the $180.61 a day of its newest days.",
          "cause": null,
          "contributors": null,
          "plan": null,
          "model_text": null,
          "request": null,
          "next": null,
          "links": [
            {
              "name": "Runbook",
              "url": "https://wiki.example.com/AmazonRDS?account=111111111111&id=5c269b652e9b"
            }
          ]
        }
      ],
      "more": 0,
      "more_per_day": 0.0,
      "topic": null,
      "text": null,
      "update_of": null
    }
    "#);
    assert_eq!(of("hook")[0].headers["authorization"], BEARER);
    assert_eq!(of("hook")[0].headers["webhook-id"], of("hook")[0].body["id"].as_str().expect("an id"));
    let mut event = of("pagerduty")[0].body.clone();
    assert_eq!(event["routing_key"], ROUTING_KEY);
    event["routing_key"] = "…".into();
    insta::assert_snapshot!(pretty(&event), @r#"
    {
      "event_action": "trigger",
      "dedup_key": "5c269b652e9b",
      "client": "aws-cost-anomalies",
      "payload": {
        "summary": "AmazonRDS / 111111111111 (team-0): +$81.00 a day since 2026-03-02 (new)",
        "source": "AmazonRDS / 111111111111 (team-0)",
        "severity": "critical",
        "class": "point",
        "component": "AmazonRDS",
        "custom_details": {
          "event": "new",
          "sentence": "AmazonRDS in team-0 has cost $180.61 a day since 2026-03-02, $81.00 a day more (+81 %) than before. It goes on: $2,465.38 a month more at the $180.61 a day of its newest days.",
          "since": "2026-03-02",
          "expected": 99.69309875434648,
          "actual": 180.491475,
          "per_day": 80.99799475,
          "impact_total": 161.5967920453067,
          "currency": "USD",
          "command": "aws-cost-anomalies explain 5c269b652e9b"
        }
      },
      "links": [
        {
          "href": "https://wiki.example.com/AmazonRDS?account=111111111111&id=5c269b652e9b",
          "text": "Runbook"
        }
      ],
      "routing_key": "…"
    }
    "#);
    insta::assert_snapshot!(pretty(&of("twilio")[0].body), @r#"
    {
      "To": "+14155550123",
      "From": "+14155550100",
      "Body": "Cost incident: AmazonRDS / 111111111111 (team-0): +$81.00 a day since 2026-03-02\ncritical, 5c269b652e9b; $99.69 → $180.49"
    }
    "#);
    let topic = of("sns")
        .into_iter()
        .find(|one| one.body["TopicArn"].as_str().is_some_and(|arn| arn.ends_with("costs")))
        .expect("one");
    // Attributes come in any order.
    let fields = topic.body.as_object().expect("fields");
    let attribute = |name: &str| {
        let key = fields.iter().find(|(key, value)| key.ends_with(".Name") && *value == name).expect("an attribute").0;
        fields[&key.replace(".Name", ".Value.StringValue")].as_str().expect("text").to_owned()
    };
    assert_eq!(["severity", "incidents"].map(attribute), ["critical", "1"]);
    let rest = fields.iter().filter(|(key, _)| !key.starts_with("MessageAttributes"));
    let without_attributes: Value = rest.map(|(key, value)| (key.clone(), value.clone())).collect();
    insta::assert_snapshot!(pretty(&without_attributes), @r#"
    {
      "Action": "Publish",
      "Version": "2010-03-31",
      "TopicArn": "arn:aws:sns:eu-west-1:111122223333:costs",
      "Message": "Cost incident: AmazonRDS / 111111111111 (team-0): +$81.00 a day since 2026-03-02\n\ncritical, new\n  AmazonRDS in team-0 has cost $180.61 a day since 2026-03-02, $81.00 a day more (+81 %) than before. It goes on: $2,465.38 a month more at the $180.61 a day of its newest days.\n  expected → actual: $99.69 → $180.49 on 2026-03-03\n  so far: +$161.60 since 2026-03-02\n  aws-cost-anomalies explain 5c269b652e9b\n\nbills judged through 2026-03-03\nto keep it quiet: aws-cost-anomalies ack 5c269b652e9b, snooze 5c269b652e9b --until DATE, or expect 5c269b652e9b --reason TEXT\n",
      "Subject": "Cost incident: AmazonRDS / 111111111111 (team-0): +$81.00 a day since 2026-03-02"
    }
    "#);
    let log: Value =
        serde_json::from_str(&std::fs::read_to_string(sandbox.path("alerts.jsonl")).expect("a log")).expect("JSON");
    assert_eq!(log["alerts"], of("hook")[0].body["alerts"], "the same object as over the web");
    assert!(std::fs::read_to_string(sandbox.path("alerts.txt")).expect("a log").contains("AmazonRDS / 111111111111"));
    // Again there is nothing to tell.
    services.clear();
    let again = morning(&sandbox, &services, &[]);
    assert!(again.stdout.contains("notified nobody: nothing is new") && again.code == 0, "{again}");
    assert_eq!(services.received().iter().filter(|one| one.service != "sts").count(), 0);
    let stored = std::fs::read(sandbox.path("data/costs.duckdb")).expect("the database");
    no_secret_in("the database", &String::from_utf8_lossy(&stored));
    let shown = sandbox.finish(command(&sandbox, &services, &["config", "show"]));
    no_secret_in("what is shown", &format!("{run}{again}{shown}"));
    insta::assert_snapshot!(sandbox.ok(&["notify", "status", "--format", "csv"]).stdout.lines().map(without_time).collect::<Vec<_>>().join("\n"), @"
    channel,kind,sent,,waiting,dropped,error
    slack-hook,slack,1,,0,0,the environment variable `SLACK_WEBHOOK` is not set
    slack-bot,slack,1,,0,0,the environment variable `SLACK_TOKEN` is not set
    teams,teams,1,,0,0,the environment variable `TEAMS_WEBHOOK` is not set
    relay,webhook,1,,0,0,the environment variable `HOOK_URL` is not set
    pager,pagerduty,1,,0,0,the environment variable `ROUTING_KEY` is not set
    phones,twilio,1,,0,0,the environment variable `TWILIO_TOKEN` is not set
    topic,sns,1,,0,0,
    topic-fifo,sns,1,,0,0,
    log,file,1,,0,0,
    plain-log,file,1,,0,0,
    ");
}

/// A line of CSV without its fourth field.
fn without_time(line: &str) -> String {
    line.split(',').enumerate().map(|(place, field)| if place == 3 { "" } else { field }).collect::<Vec<_>>().join(",")
}

fn pretty(value: &Value) -> String {
    serde_json::to_string_pretty(value).expect("JSON")
}

#[test]
fn a_sample_arrives_everywhere() {
    let services = FakeServices::start();
    let sandbox = Sandbox::new();
    configure(&sandbox, &every_channel(&services), "");
    for channel in ["slack-hook", "slack-bot", "teams", "relay", "pager", "phones", "topic", "topic-fifo", "log"] {
        let run = sandbox.finish(command(&sandbox, &services, &["notify", "test", channel]));
        assert_eq!((run.stdout.as_str(), run.code), (&*format!("sent to {channel}\n"), 0), "{run}");
    }
    services.assert_clean();
    assert_eq!(services.received().len(), 10, "two telephones, and PagerDuty's is closed again");
    insta::assert_snapshot!(sandbox.run(&["notify", "test", "slak-hook"]), @"
    --- stderr
    error: there is no channel `slak-hook`
    hint: did you mean `slack-hook`?
    --- exit code 1
    ");
    insta::assert_snapshot!(sandbox.run(&["notify", "test", "teams"]), @"
    --- stderr
    error: the channel `teams` does not take the message
      caused by: the environment variable `TEAMS_WEBHOOK` is not set
    hint: docs/ALERTS.md says what each channel needs
    --- exit code 1
    ");
}

#[test]
fn what_fails_for_a_moment_arrives_in_the_same_run() {
    let services = FakeServices::start();
    let sandbox = moved();
    configure(&sandbox, &every_channel(&services), "");
    services.fault("slack-webhook", Fault::Status(429, vec![("retry-after", "1".into())], "rate_limited"));
    services.fault("teams", Fault::Status(500, Vec::new(), "oops"));
    services.fault("hook /", Fault::Reset);
    services.fault("pagerduty", Fault::Status(503, Vec::new(), ""));
    services.fault("twilio", Fault::Status(429, Vec::new(), ""));
    let run = morning(&sandbox, &services, &["--quiet"]);
    assert_eq!(run.code, 0, "{run}");
    services.assert_clean();
    let counts = ["slack-webhook", "teams", "hook", "pagerduty", "twilio"]
        .map(|service| services.received().iter().filter(|one| one.service == service).count());
    assert_eq!(counts, [2, 2, 2, 2, 3], "each once more");
}

#[test]
fn the_log_has_what_came_of_each_message_and_no_secret() {
    let services = FakeServices::start();
    let sandbox = moved();
    configure(&sandbox, &every_channel(&services), "  attempts: 2");
    services.fault("slack-webhook", Fault::Status(404, Vec::new(), "/services/T0/B0/SLACKSECRET is gone"));
    services.fault("hook /", Fault::Status(500, Vec::new(), HOOK_SECRET));
    let run = morning(&sandbox, &services, &["-vvv"]);
    no_secret_in("the log", &run.to_string());
    let has = |words: &[&str]| run.stderr.lines().any(|line| words.iter().all(|word| line.contains(word)));
    assert!(has(&["WARN not sent", "channel=\"slack-hook\"", "404"]), "{run}");
    assert!(has(&["INFO sent", "channel=\"pager\""]), "{run}");
    assert!(has(&["DEBUG a request failed", "attempt=1", "500"]), "{run}");
}

#[test]
fn a_channel_that_fails_stops_no_other_and_gets_it_later() {
    let services = FakeServices::start();
    let sandbox = moved();
    configure(&sandbox, &every_channel(&services), "  attempts: 1");
    services.fault("slack-webhook", Fault::Status(404, Vec::new(), "/services/T0/B0/SLACKSECRET is gone"));
    services.fault("slack /api", Fault::Status(429, vec![("retry-after", "3600".into())], ""));
    services.fault("teams", Fault::Redirect(format!("{}/elsewhere", services.url)));
    services.fault("hook /", Fault::Hang(Duration::from_secs(4)));
    services.fault("pagerduty", Fault::Status(500, Vec::new(), "down"));
    // The first telephone has it, the second not yet.
    services.fault("twilio", Fault::Pass);
    services.fault("twilio", Fault::Status(500, Vec::new(), "down"));
    let run = morning(&sandbox, &services, &[]);
    no_secret_in("what is said", &run.to_string());
    services.assert_clean();
    assert!(run.stdout.contains("waiting for slack-bot: 1 message (429 Too Many Requests, not before "), "{run}");
    let said: Vec<&str> = run.stderr.lines().filter(|line| !line.contains("hint")).collect();
    insta::assert_snapshot!(said.join("\n"), @"
    ingested `a.csv`: 1,890 rows
    note: the newest data is of 2026-03-04, 1 days before 2026-03-05: reading as of that day
    error: the channel `pager` does not take the message
      caused by: 500 Internal Server Error: down
    error: the channel `phones` does not take the message
      caused by: 500 Internal Server Error: down
    error: the channel `relay` does not take the message
      caused by: error sending request: operation timed out
    error: the channel `slack-bot` does not take the message
      caused by: 429 Too Many Requests
    error: the channel `slack-hook` does not take the message
      caused by: 404 Not Found: /********/T0/B0/******** is gone
    error: the channel `teams` does not take the message
      caused by: 307 Temporary Redirect: it points to another address, which is to be configured itself
    ");
    assert_eq!(run.code, 3);
    let log = std::fs::read_to_string(sandbox.path("alerts.jsonl")).expect("a log");
    assert_eq!(log.lines().count(), 1, "the others have it");
    // Next time it goes through, but where the service wants to be left alone for an hour.
    services.clear();
    let next = morning(&sandbox, &services, &["--quiet"]);
    assert!(next.code == 3 && next.stderr.contains("the channel `slack-bot` wants to be left alone"), "{next}");
    services.assert_clean();
    let received = services.received();
    let mut told: Vec<&str> = received.iter().map(|one| one.service).collect();
    told.sort_unstable();
    assert_eq!(told, ["hook", "pagerduty", "slack-webhook", "teams", "twilio"]);
    let again = morning(&sandbox, &services, &["--quiet"]);
    assert_eq!((again.code, services.received().len()), (3, received.len()), "{again}");
    assert_eq!(sandbox.number("SELECT count(*) FROM outbox WHERE state = 'waiting'"), 1.0);
}

#[test]
fn what_is_refused_again_and_again_is_given_up() {
    let services = FakeServices::start();
    let sandbox = moved();
    configure(&sandbox, "  - { name: slack-hook, slack: { webhook: { env: SLACK_WEBHOOK } } }", "");
    // An address that is not taken is for somebody to mend, and the message waits for it.
    for _ in 0..6 {
        services.fault("slack-webhook", Fault::Status(403, Vec::new(), "action_prohibited"));
    }
    morning(&sandbox, &services, &["--quiet"]);
    let notify = || sandbox.finish(command(&sandbox, &services, &["notify", "--as-of", "2026-03-05"])).code;
    assert_eq!([1; 5], [(); 5].map(|()| notify()));
    assert_eq!(sandbox.rows("SELECT state FROM outbox"), [serde_json::json!({"state": "waiting"})]);
    // A message that is not taken is tried some times, in the end without anything that comes from the bill.
    for _ in 0..5 {
        services.fault("slack-webhook", Fault::Status(400, Vec::new(), "invalid_payload"));
    }
    assert_eq!([3, 3, 3, 3, 3, 0], [(); 6].map(|()| notify()));
    let last = services.received().last().expect("a request").body.to_string();
    assert!(last.contains("incident 5c269b652e9b") && !last.contains("AmazonRDS"), "{last}");
    assert_eq!(
        sandbox.rows("SELECT state, attempts FROM outbox"),
        [serde_json::json!({"state": "dropped", "attempts": 11})]
    );
}

#[test]
fn certificates_are_checked() {
    let Some(good) = Server::start(&["https"]) else { return };
    let sandbox = Sandbox::new();
    let (wrong_name, expired) =
        (Server::start(&["https", "--cert", "wrong-name"]), Server::start(&["https", "--cert", "expired"]));
    configure(&sandbox, "  - { name: relay, webhook: { url: { file: url } } }", "  attempts: 1");
    let test = |server: &Server, trusted: bool| {
        sandbox.write("url", format!("https://127.0.0.1:{}/PATHSECRET\n", server.port));
        let mut command = sandbox.command(&["notify", "test", "relay"]);
        if trusted {
            command.env("SSL_CERT_FILE", server.ca());
        }
        let run = sandbox.finish(command);
        assert!(!run.to_string().contains("PATHSECRET"), "{run}");
        run
    };
    let run = test(&good, true);
    assert_eq!((run.code, good.received().len()), (0, 1), "{run}");
    for (server, trusted) in [(Some(good), false), (wrong_name, true), (expired, true)] {
        let server = server.expect("a server");
        let before = server.received().len();
        let run = test(&server, trusted);
        assert!(run.code == 1 && run.stderr.contains("certificate"), "{run}");
        assert_eq!(server.received().len(), before);
    }
}

fn mail(server: &Server, tls: &str, login: bool) -> String {
    let login = if login { ", username: costs, password: { env: SMTP_PASSWORD }" } else { "" };
    format!(
        "  - {{ name: mail, email: {{ host: 127.0.0.1, port: {}, tls: {tls}{login}, from: 'Costs <costs@example.com>', to: [finops@example.com, 'Ops <ops@example.com>'] }} }}",
        server.port
    )
}

#[test]
fn mail_goes_by_tls_to_a_real_server() {
    let Some(server) = Server::start(&["smtp", "--mode", "starttls", "--user", "costs", "--password", PASSWORD]) else {
        return;
    };
    let services = FakeServices::start();
    let sandbox = moved();
    configure(&sandbox, &mail(&server, "starttls", true), "");
    let as_of = day(63).to_string();
    let mut run = command(&sandbox, &services, &["run", "a.csv", "--as-of", &as_of, "--quiet"]);
    run.env("SSL_CERT_FILE", server.ca());
    let run = sandbox.finish(run);
    assert_eq!(run.code, 0, "{run}");
    let received = server.received();
    let [mail, other] = &received[..] else { panic!("{received:?}") };
    assert_eq!(mail["tls"], true);
    assert_eq!(mail["user"], "costs");
    let to = [&mail["rcpt_tos"], &other["rcpt_tos"]].map(|to| to[0].as_str().expect("an address"));
    assert_eq!(to, ["finops@example.com", "ops@example.com"]);
    assert_eq!(mail["message"], other["message"], "one mail to both, of which one may be refused");
    let text = mail["message"].as_str().expect("text").replace("=\r\n", "").replace("\r\n", "\n");
    for part in [
        "Subject: Cost incident: AmazonRDS",
        "Message-ID: <",
        "Content-Type: multipart/alternative",
        "Content-Type: text/plain; charset=utf-8",
        "Content-Type: text/html; charset=utf-8",
        "a day since 2026-03-02",
        "<b>critical, new</b>",
    ] {
        assert!(text.contains(part), "{part} is not in\n{text}");
    }
    // Whoever is not trusted gets neither the password nor the message.
    let untrusted = sandbox.finish(command(&sandbox, &services, &["notify", "test", "mail"]));
    assert!(untrusted.code == 1 && untrusted.stderr.contains("certificate"), "{untrusted}");
    assert_eq!(server.received().len(), 2);
}

#[test]
fn mail_does_not_go_without_the_tls_that_was_asked_for() {
    let Some(server) = Server::start(&["smtp", "--mode", "plain", "--user", "costs", "--password", PASSWORD]) else {
        return;
    };
    let services = FakeServices::start();
    let sandbox = moved();
    configure(&sandbox, &mail(&server, "starttls", true), "  attempts: 1");
    let run = sandbox.finish(command(&sandbox, &services, &["notify", "test", "mail"]));
    assert!(run.code == 3 && server.received().is_empty(), "{run}");
    no_secret_in("what is said", &run.to_string());
    configure(&sandbox, &mail(&server, "none", true), "");
    insta::assert_snapshot!(sandbox.finish(command(&sandbox, &services, &["notify", "test", "mail"])), @"
    --- stderr
    error: the channel `mail` is not valid
      caused by: a password needs `tls: starttls` or `tls: tls`
    --- exit code 1
    ");
}

#[test]
fn mail_that_is_put_off_is_sent_again() {
    let Some(server) = Server::start(&["smtp", "--mode", "plain", "--refuse", "451"]) else { return };
    let services = FakeServices::start();
    let sandbox = moved();
    configure(&sandbox, &mail(&server, "none", false), "");
    let run = sandbox.finish(command(&sandbox, &services, &["notify", "test", "mail"]));
    assert_eq!((run.code, server.received().len()), (0, 2), "{run}");
}

#[test]
fn secrets_are_named_and_never_written() {
    let services = FakeServices::start();
    let sandbox = Sandbox::new();
    let said = |channels: &str| {
        configure(&sandbox, channels, "");
        let run = sandbox.finish(command(&sandbox, &services, &["notify", "test", "x"]));
        assert!(
            !run.to_string().contains("hooks.slack.com/services") && !run.to_string().contains("xoxb-1234"),
            "{run}"
        );
        assert_ne!(run.code, 0);
        run.stderr
    };
    insta::assert_snapshot!(said("  - { name: x, slack: { webhook: https://hooks.slack.com/services/T0/B0/SECRET } }"), @"
    error: the configuration `config.yaml` is not valid
      caused by: notify.channels[0] (x): a secret is given as `{ env: NAME }` or `{ file: PATH }`, never by itself
    hint: `aws-cost-anomalies config show` prints what is merged; docs/CONFIG.md explains each key
    hint: docs/ALERTS.md shows every kind of channel
    ");
    insta::assert_snapshot!(said("  - { name: x, slack: https://hooks.slack.com/services/T0/B0/SECRET }"), @r#"
    error: the configuration `config.yaml` is not valid
      caused by: notify.channels[0] (x): invalid type: string "…", expected struct Settings
    hint: `aws-cost-anomalies config show` prints what is merged; docs/CONFIG.md explains each key
    hint: docs/ALERTS.md shows every kind of channel
    "#);
    insta::assert_snapshot!(said("  - { name: x, slack: { token: { env: A, value: xoxb-1234 }, channel: c } }"), @"
    error: the configuration `config.yaml` is not valid
      caused by: notify.channels[0] (x): a secret is given as `{ env: NAME }` or `{ file: PATH }`, never by itself
    hint: `aws-cost-anomalies config show` prints what is merged; docs/CONFIG.md explains each key
    hint: docs/ALERTS.md shows every kind of channel
    ");
    insta::assert_snapshot!(said("  - { name: x, slack: { token: { env: NOT_SET }, channel: c } }"), @"
    error: the channel `x` does not take the message
      caused by: the environment variable `NOT_SET` is not set
    hint: docs/ALERTS.md says what each channel needs
    ");
    insta::assert_snapshot!(said("  - { name: x }"), @"
    error: the channel `x` is not valid
      caused by: the channel `x` is of no kind, or of several
    hint: give it one of: slack, teams, webhook, email, sns, pagerduty, twilio, file, stdout
    ");
    insta::assert_snapshot!(said("  - { name: x, sns: { topic_arn: costs } }"), @"
    error: the channel `x` is not valid
      caused by: `costs` is not the ARN of a topic
    hint: it looks like arn:aws:sns:us-east-1:123456789012:costs
    ");
    sandbox.write("address", "http://hooks.slack.com/services/T0/B0/SECRET");
    insta::assert_snapshot!(said("  - { name: x, slack: { webhook: { file: address } } }"), @"
    error: the channel `x` does not take the message
      caused by: `webhook` must be an address that begins with https://
    hint: docs/ALERTS.md says what each channel needs
    ");
}
