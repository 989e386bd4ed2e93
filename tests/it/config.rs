//! Where settings come from, and how mistakes in them are told.

use crate::harness::Sandbox;

#[test]
fn show_names_the_origin_of_each_value() {
    let sandbox = Sandbox::new();
    sandbox.write("config.yaml", "anomaly:\n  z_score_threshold: 3.5\naws_profile: from-file\n");
    let mut command = sandbox.command(&["config", "show", "--threads", "1"]);
    command.env("AWS_COST_PROFILE", "from-env");
    insta::assert_snapshot!(sandbox.finish(command), @"");
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
    insta::assert_snapshot!(sandbox.run(&["config", "init"]), @"");
    sandbox.ok(&["config", "show"]);
}

#[test]
fn mistakes_name_the_file_and_the_nearest_key() {
    let sandbox = Sandbox::new();
    sandbox.write("a.yaml", "database: { pth: x }\n");
    insta::assert_snapshot!(sandbox.run(&["--config", "a.yaml", "config", "show"]), @"");
    sandbox.write("b.yaml", "anomaly: { settle_days: soon }\n");
    insta::assert_snapshot!(sandbox.run(&["--config", "b.yaml", "config", "show"]), @"");
    sandbox.write("c.yaml", "a: [\n");
    insta::assert_snapshot!(sandbox.run(&["--config", "c.yaml", "config", "show"]), @"");
    insta::assert_snapshot!(sandbox.run(&["--config", "d.yaml", "config", "show"]), @"");
    sandbox.write("e.yaml", "database: { memory_limit: plenty }\n");
    insta::assert_snapshot!(sandbox.run(&["--config", "e.yaml", "ingest", "a.yaml"]), @"");
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
