//! Where settings come from, and how mistakes in them are told.

use crate::harness::Sandbox;

#[test]
fn show_names_the_origin_of_each_value() {
    let sandbox = Sandbox::new();
    sandbox.write("config.yaml", "anomaly:\n  z_score_threshold: 3.5\naws_profile: from-file\n");
    let mut command = sandbox.command(&["config", "show", "--threads", "1"]);
    command.env("AWS_COST_PROFILE", "from-env");
    insta::assert_snapshot!(sandbox.finish(command), @r#"
    key                                         value                                        origin
    aws_profile                                 from-env                                     AWS_COST_PROFILE
    aws.role_arn                                                                             default
    aws.external_id                                                                          default
    aws.endpoint_url                                                                         default
    aws.max_attempts                            5                                            default
    aws.timeout_seconds                         60                                           default
    s3.bucket                                                                                default
    s3.prefix                                   cur-reports                                  default
    s3.report_name                                                                           default
    s3.region                                   us-east-1                                    default
    s3.requester_pays                           false                                        default
    s3.exports                                  []                                           default
    buckets                                     []                                           default
    cost_explorer.region                        us-east-1                                    default
    cost_explorer.lookback_days                 60                                           default
    cost_explorer.max_requests                  100                                          default
    cost_explorer.split_region                  false                                        default
    cost_explorer.charge_categories             false                                        default
    vendors.lookback_days                       60                                           default
    vendors.openai.api_key.env                  OPENAI_ADMIN_KEY                             default
    vendors.openai.url                          https://api.openai.com                       default
    vendors.anthropic.api_key.env               ANTHROPIC_ADMIN_KEY                          default
    vendors.anthropic.url                       https://api.anthropic.com                    default
    vendors.litellm.api_key.env                 LITELLM_API_KEY                              default
    vendors.litellm.url                         http://127.0.0.1:4000                        default
    language_model.send_resource_names          false                                        default
    language_model.timeout_seconds              60                                           default
    bedrock.profile                                                                          default
    bedrock.region                              us-east-1                                    default
    bedrock.model                               us.anthropic.claude-haiku-4-5-20251001-v1:0  default
    anthropic.api_key.env                       ANTHROPIC_API_KEY                            default
    anthropic.url                               https://api.anthropic.com                    default
    anthropic.model                             claude-haiku-4-5                             default
    openai.api_key                              null                                         default
    openai.url                                  http://127.0.0.1:11434/v1                    default
    openai.model                                qwen3                                        default
    agent.provider                              bedrock                                      default
    agent.model                                                                              default
    agent.region                                                                             default
    agent.profile                                                                            default
    agent.max_tokens                            4096                                         default
    agent.max_agent_iterations                  10                                           default
    agent.max_calls                             20                                           default
    agent.timeout_seconds                       120                                          default
    agent.max_cost_usd                          0.5                                          default
    agent.context_window                        200000                                       default
    agent.send_resource_names                   false                                        default
    agent.prices.claude-haiku-4-5.input         1.0                                          default
    agent.prices.claude-haiku-4-5.output        5.0                                          default
    agent.prices.claude-haiku-4-5.cache_read    0.1                                          default
    agent.prices.claude-haiku-4-5.cache_write   1.25                                         default
    agent.prices.claude-sonnet-4-5.input        3.0                                          default
    agent.prices.claude-sonnet-4-5.output       15.0                                         default
    agent.prices.claude-sonnet-4-5.cache_read   0.3                                          default
    agent.prices.claude-sonnet-4-5.cache_write  3.75                                         default
    agent.mcp_servers                           []                                           default
    database.path                               ./data/costs.duckdb                          default
    database.cache_dir                          ./data/cache                                 default
    database.cache_limit_gb                     20.0                                         default
    database.memory_limit                       2GB                                          default
    database.threads                            1                                            --threads
    currency.target                                                                          default
    currency.rates                                                                           default
    anomaly.rolling_window_days                 14                                           default
    anomaly.z_score_threshold                   3.5                                          config.yaml
    anomaly.level_days                          0                                            default
    anomaly.shift_days                          0                                            default
    anomaly.absorb_days                         0                                            default
    anomaly.day_sigmas                          5.0                                          default
    anomaly.shift_sigmas                        3.75                                         default
    anomaly.charge_sigmas                       3.0                                          default
    anomaly.min_daily_cost                      1.0                                          default
    anomaly.min_impact                          2.0                                          default
    anomaly.min_impact_pct                      10.0                                         default
    anomaly.min_new_cost                        5.0                                          default
    anomaly.drift_threshold_pct                 20.0                                         default
    anomaly.settle_days                         2                                            default
    notify.channels                             []                                           default
    notify.owners                               []                                           default
    notify.default_channels                     []                                           default
    notify.growth_factor                        2.0                                          default
    notify.top                                  5                                            default
    notify.attempts                             4                                            default
    notify.timeout_seconds                      15                                           default
    notify.links                                []                                           default
    notify.stale_days                           4                                            default
    notify.planned                                                                           default
    notify.explain_with                                                                      default
    budgets                                     []                                           default
    budgets_file                                                                             default
    server.tokens                               []                                           default
    server.hosts                                []                                           default
    server.trusted_proxies                      []                                           default
    server.identity_header                      X-Forwarded-User                             default
    server.proxy_scopes                         ["read"]                                     default
    server.public_url                                                                        default
    server.link_key                             null                                         default
    server.link_days                            14                                           default
    server.requests_per_minute                  600                                          default
    server.accept_records                       false                                        default
    --- stderr
    note: read `config.yaml`
    --- exit code 0
    "#);
}

#[test]
fn the_users_own_file_is_found() {
    let sandbox = Sandbox::new();
    sandbox.write(".config/aws-cost-anomalies/config.yaml", "aws_profile: mine\n");
    let run = sandbox.ok(&["config", "show"]);
    assert!(run.stderr.contains("[DIR]/.config/aws-cost-anomalies/config.yaml"), "{run}");
    let mut command = sandbox.command(&["config", "show"]);
    command.env("XDG_CONFIG_HOME", sandbox.path("elsewhere"));
    assert!(sandbox.finish(command).stderr.contains("there is no configuration file"));
}

#[test]
fn init_writes_the_example_once() {
    let sandbox = Sandbox::new();
    sandbox.ok(&["config", "init"]);
    let written = std::fs::read_to_string(sandbox.path("config.yaml")).expect("a file");
    assert_eq!(written, include_str!("../../config.example.yaml"));
    insta::assert_snapshot!(sandbox.run(&["config", "init"]), @"
    --- stderr
    error: cannot write `config.yaml`
      caused by: File exists (os error 17)
    hint: nothing is written over; name another file
    --- exit code 1
    ");
    sandbox.ok(&["config", "show"]);
}

#[test]
fn mistakes_name_the_file_and_the_nearest_key() {
    let sandbox = Sandbox::new();
    sandbox.write("a.yaml", "database: { pth: x }\n");
    insta::assert_snapshot!(sandbox.run(&["--config", "a.yaml", "config", "show"]), @"
    --- stderr
    error: the configuration `a.yaml` is not valid
      caused by: there is no key `database.pth`
    hint: did you mean `path`?
    --- exit code 1
    ");
    sandbox.write("b.yaml", "anomaly: { settle_days: soon }\n");
    insta::assert_snapshot!(sandbox.run(&["--config", "b.yaml", "config", "show"]), @r#"
    --- stderr
    error: the configuration `b.yaml` is not valid
      caused by: `anomaly.settle_days` must be a whole number of at least 0
    hint: `aws-cost-anomalies config show` prints what is merged; docs/CONFIG.md explains each key
    --- exit code 1
    "#);
    sandbox.write("c.yaml", "a: [\n");
    insta::assert_snapshot!(sandbox.run(&["--config", "c.yaml", "config", "show"]), @"
    --- stderr
    error: the configuration `c.yaml` is not YAML
      caused by: did not find expected node content at line 2 column 1, while parsing a flow node
    --- exit code 1
    ");
    insta::assert_snapshot!(sandbox.run(&["--config", "d.yaml", "config", "show"]), @"
    --- stderr
    error: cannot read the configuration `d.yaml`
      caused by: No such file or directory (os error 2)
    hint: `aws-cost-anomalies config init` writes one
    --- exit code 1
    ");
    sandbox.write("e.yaml", "database: { memory_limit: plenty }\n");
    insta::assert_snapshot!(sandbox.run(&["--config", "e.yaml", "ingest", "a.yaml"]), @"
    --- stderr
    error: the configuration `e.yaml` is not valid
      caused by: `database.memory_limit` must be a size from 32MB to 1000TB, such as 2GB or 512MiB
    hint: `aws-cost-anomalies config show` prints what is merged; docs/CONFIG.md explains each key
    --- exit code 1
    ");
}

#[test]
fn the_environment_example_names_what_the_program_reads() {
    let example = include_str!("../../.env.example");
    let sandbox = Sandbox::new();
    for line in example.lines().filter(|line| !line.starts_with('#')) {
        let (name, _) = line.split_once('=').expect("NAME=value");
        let mut command = sandbox.command(&["config", "show"]);
        command.env(name, "given-here");
        let run = sandbox.finish(command);
        assert!(run.stdout.lines().any(|line| line.contains("given-here") && line.ends_with(name)), "{name}: {run}");
    }
}
