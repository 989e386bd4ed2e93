//! What `deploy/` gives to others is taken by the program as it is, and asks for no more than is documented.

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
};

use serde::Deserialize;
use serde_yaml::Value;

use crate::harness::{Run, Sandbox};

const PROGRAM: &str = "aws-cost-anomalies";

/// Variables of others that the files may set for the program.
const STANDARD: [&str; 8] = [
    "AWS_CONFIG_FILE",
    "AWS_PROFILE",
    "AWS_REGION",
    "AWS_SHARED_CREDENTIALS_FILE",
    "HOME",
    "MAILTO",
    "SSL_CERT_FILE",
    "XDG_CONFIG_HOME",
];

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn read(path: &str) -> String {
    fs::read_to_string(root().join(path)).unwrap_or_else(|e| panic!("{path}: {e}"))
}

/// The files of `deploy/`, as paths from the root.
fn files() -> Vec<String> {
    let mut found = Vec::new();
    let mut folders = vec![root().join("deploy")];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).expect("a folder") {
            let path: PathBuf = entry.expect("an entry").path();
            if path.is_dir() {
                folders.push(path);
            } else {
                let path = path.strip_prefix(root()).expect("below the root");
                found.push(path.to_string_lossy().into_owned());
            }
        }
    }
    found.sort();
    assert!(found.len() >= 14, "{found:?}");
    found
}

fn documents(path: &str) -> Vec<Value> {
    serde_yaml::Deserializer::from_str(&read(path))
        .map(|document| Value::deserialize(document).unwrap_or_else(|e| panic!("{path}: {e}")))
        .collect()
}

fn yaml(path: &str) -> Value {
    let mut documents = documents(path);
    assert_eq!(documents.len(), 1, "{path}");
    documents.remove(0)
}

fn json(path: &str) -> serde_json::Value {
    serde_json::from_str(&read(path)).unwrap_or_else(|e| panic!("{path}: {e}"))
}

/// The one object of a kind.
fn object(kind: &str) -> Value {
    let mut found: Vec<Value> =
        documents("deploy/kubernetes/cronjob.yaml").into_iter().filter(|object| object["kind"] == kind).collect();
    assert_eq!(found.len(), 1, "{kind}");
    found.remove(0)
}

/// What the pods of the CronJob are.
fn pod() -> Value {
    object("CronJob")["spec"]["jobTemplate"]["spec"]["template"]["spec"].clone()
}

/// The containers of the pod that serves pages.
fn serving() -> Vec<Value> {
    let deployment = documents("deploy/kubernetes/serve.yaml").remove(0);
    deployment["spec"]["template"]["spec"]["containers"].as_sequence().cloned().expect("containers")
}

fn strings(value: &Value) -> Vec<String> {
    let values = value.as_sequence().unwrap_or_else(|| panic!("{value:?} is no list"));
    values.iter().map(|value| value.as_str().expect("a text").to_owned()).collect()
}

/// The keys of a mapping; none where there is no mapping.
fn keys(value: &Value) -> Vec<String> {
    let keys = value.as_mapping().into_iter().flat_map(|mapping| mapping.keys());
    keys.map(|key| key.as_str().expect("a text").to_owned()).collect()
}

/// The steps of a workflow that run commands.
fn steps() -> Vec<Value> {
    let workflow = yaml("deploy/github-actions/cost-anomalies.yml");
    let steps = workflow["jobs"]["run"]["steps"].as_sequence().cloned().expect("steps");
    steps.into_iter().filter(|step| step["run"].is_string()).collect()
}

/// The instructions of a Dockerfile, with continued lines joined and comments left out.
fn instructions(path: &str) -> Vec<String> {
    let text = read(path);
    let lines: Vec<&str> = text.lines().filter(|line| !line.starts_with('#')).collect();
    let joined = lines.join("\n").replace("\\\n", " ");
    joined.lines().filter(|line| !line.trim().is_empty()).map(str::to_owned).collect()
}

/// The instructions of the stage that is shipped.
fn last_stage(path: &str) -> Vec<String> {
    let all = instructions(path);
    let start = all.iter().rposition(|line| line.starts_with("FROM ")).expect("a stage");
    all[start..].to_vec()
}

/// The words of shell code, by simple command. Quotes are taken off, comments left out, redirections end a
/// command's words.
fn simple_commands(code: &str) -> Vec<Vec<String>> {
    let mut commands = vec![Vec::new()];
    let mut word: Option<String> = None;
    let mut characters = code.chars().peekable();
    let mut quiet = false;
    while let Some(character) = characters.next() {
        match character {
            '\'' | '"' => {
                let word = word.get_or_insert_default();
                word.extend(characters.by_ref().take_while(|next| *next != character));
            }
            '#' if word.is_none() => while characters.next_if(|next| *next != '\n').is_some() {},
            '\n' | ';' | '|' | '&' | '(' | ')' => {
                end_word(&mut word, &mut commands, quiet);
                quiet = false;
                commands.push(Vec::new());
            }
            '>' | '<' => {
                // The 2 of `2>&1` is no word.
                word.take_if(|word| word.chars().all(|c| c.is_ascii_digit()));
                end_word(&mut word, &mut commands, quiet);
                quiet = true;
            }
            space if space.is_whitespace() => end_word(&mut word, &mut commands, quiet),
            other => word.get_or_insert_default().push(other),
        }
    }
    end_word(&mut word, &mut commands, quiet);
    commands.retain(|command| !command.is_empty());
    commands
}

fn end_word(word: &mut Option<String>, commands: &mut [Vec<String>], quiet: bool) {
    if let (Some(word), Some(last), false) = (word.take(), commands.last_mut(), quiet) {
        last.push(word);
    }
}

/// The arguments of each call of the program in shell code, also of one through `docker run` or `sudo`. The name
/// as the value of an option, or as a file that is copied, is no call.
fn calls(code: &str) -> Vec<Vec<String>> {
    let mut calls = Vec::new();
    for words in simple_commands(code) {
        let is_call = |place: &usize| {
            let before = place.checked_sub(1).map_or("", |before| words[before].as_str());
            words[*place].rsplit('/').next() == Some(PROGRAM) && !before.starts_with('-') && before != "cp"
        };
        if let Some(place) = (0..words.len()).find(is_call) {
            calls.push(words[place + 1..].to_vec());
        }
    }
    calls
}

/// The blocks of shell code of a document.
fn shell_blocks(text: &str) -> Vec<&str> {
    text.split("```sh\n").skip(1).filter_map(|block| block.split("```").next()).collect()
}

/// The short commands within a paragraph: `` `docker … run` ``.
fn inline_code(text: &str) -> Vec<&str> {
    let prose = text.split("```").step_by(2);
    prose.flat_map(|prose| prose.split('`').skip(1).step_by(2)).collect()
}

/// The lines of a unit or of a crontab that set a variable, without their prefix.
fn assignments(path: &str) -> Vec<String> {
    let text = read(path);
    let lines = text.lines().filter_map(|line| {
        if path.ends_with("crontab") {
            Some(line).filter(|line| line.starts_with(|c: char| c.is_ascii_uppercase()))
        } else {
            line.strip_prefix("Environment=")
        }
    });
    lines.filter_map(|line| Some(line.split_once('=')?.0.to_owned())).collect()
}

/// Every call of the program in `deploy/`, with the file that it is from.
fn all_calls() -> Vec<(String, Vec<String>)> {
    let mut found = Vec::new();
    for file in files() {
        let mut add = |calls: Vec<Vec<String>>| found.extend(calls.into_iter().map(|call| (file.clone(), call)));
        match file.rsplit('/').next().expect("a name") {
            name if name.ends_with(".md") => {
                let text = read(&file);
                shell_blocks(&text).into_iter().for_each(|block| add(calls(block)));
                inline_code(&text).into_iter().filter(|code| code.contains(' ')).for_each(|code| add(calls(code)));
            }
            name if name.ends_with(".service") => {
                read(&file)
                    .lines()
                    .filter_map(|line| line.strip_prefix("ExecStart="))
                    .for_each(|line| add(calls(line)));
            }
            "crontab" | "bootstrap" => add(calls(&read(&file))),
            "Dockerfile" => {
                for line in last_stage(&file) {
                    if let Some(list) = line.strip_prefix("CMD ") {
                        add(vec![serde_json::from_str(list).unwrap_or_else(|e| panic!("{file}: {e}"))]);
                    }
                }
                instructions(&file).iter().filter_map(|line| line.strip_prefix("RUN ")).for_each(|run| add(calls(run)));
            }
            "compose.yaml" => {
                let services = &yaml(&file)["services"];
                add(keys(services).iter().map(|name| strings(&services[name.as_str()]["command"])).collect());
            }
            "serve.yaml" => add(serving().iter().map(|container| strings(&container["args"])).collect()),
            "cronjob.yaml" => add(vec![strings(&pod()["containers"][0]["args"])]),
            "cost-anomalies.yml" => {
                steps().iter().for_each(|step| add(calls(step["run"].as_str().expect("commands"))));
            }
            _ => {}
        }
    }
    found
}

/// Parses a command line without running it: clap takes the arguments in their order, so with `--help` at the
/// end it answers 0 only when it knew everything before.
fn parse(sandbox: &Sandbox, call: &[String]) -> Run {
    let filled = call.iter().map(|word| match word.as_str() {
        "DATE" => "2026-12-31",
        "ID" => "7e16df",
        other => other,
    });
    let arguments: Vec<&str> = filled.chain(["--help"]).collect();
    sandbox.run(&arguments)
}

#[test]
fn the_program_takes_every_command_line() {
    let sandbox = Sandbox::new();
    let calls = all_calls();
    for (file, call) in &calls {
        let run = parse(&sandbox, call);
        assert_eq!(run.code, 0, "{file}: {}\n{run}", call.join(" "));
    }
    for (file, command) in [
        ("deploy/README.md", "doctor"),
        ("deploy/README.md", "notify"),
        ("deploy/README.md", "run"),
        ("deploy/Dockerfile", "run"),
        ("deploy/compose.yaml", "watch"),
        ("deploy/crontab", "run"),
        ("deploy/github-actions/cost-anomalies.yml", "run"),
        ("deploy/kubernetes/cronjob.yaml", "run"),
        ("deploy/lambda/bootstrap", "run"),
        ("deploy/compose.yaml", "serve"),
        ("deploy/kubernetes/serve.yaml", "watch"),
        ("deploy/kubernetes/serve.yaml", "serve"),
        ("deploy/lambda/bootstrap", "serve"),
        ("deploy/systemd/aws-cost-anomalies-serve.service", "serve"),
        ("deploy/systemd/aws-cost-anomalies.service", "run"),
        ("deploy/systemd/aws-cost-anomalies-watch.service", "watch"),
    ] {
        let found = calls.iter().any(|(from, call)| from == file && call.iter().any(|word| word == command));
        assert!(found, "no `{command}` was found in {file}");
    }
}

#[test]
fn the_checker_refuses_what_the_program_does_not_know() {
    let sandbox = Sandbox::new();
    for line in [
        "aws-cost-anomalies nosuch",
        "aws-cost-anomalies --nosuch anomalies",
        "aws-cost-anomalies anomalies --nosuch",
        "aws-cost-anomalies anomalies --sensitivity nosuch",
        "aws-cost-anomalies incidents --limit",
    ] {
        let found = calls(line);
        assert_eq!(found.len(), 1, "{line}");
        assert_eq!(parse(&sandbox, &found[0]).code, 2, "{line}");
    }
    let fine = calls("aws-cost-anomalies anomalies --sensitivity high");
    assert_eq!(parse(&sandbox, &fine[0]).code, 0);
}

#[test]
fn the_checker_sees_calls_where_they_are() {
    let found = |code: &str| calls(code).iter().map(|call| call.join(" ")).collect::<Vec<_>>();
    assert_eq!(found("17 * * * * sleep 5 && /usr/bin/aws-cost-anomalies -q run >/dev/null"), ["-q run"]);
    assert_eq!(found("docker run -e A aws-cost-anomalies run 'a b' # aws-cost-anomalies no"), ["run a b"]);
    assert_eq!(found("sudo -u aws-cost-anomalies aws-cost-anomalies trends; aws-cost-anomalies"), ["trends", ""]);
    assert_eq!(found("docker build -t aws-cost-anomalies . && cp x/aws-cost-anomalies /usr/local/bin/"), [""; 0]);
    assert_eq!(found("fail \"aws-cost-anomalies ended\" aws-cost-anomalies.timer"), [""; 0]);
    assert_eq!(found("if aws-cost-anomalies run 2>&1; then"), ["run"]);
}

#[test]
fn the_configurations_are_valid() {
    let sandbox = Sandbox::new();
    let map = object("ConfigMap");
    let mut texts = vec![
        ("ConfigMap".to_owned(), map["data"]["config.yaml"].as_str().expect("a configuration").to_owned()),
        ("lambda/config.yaml".to_owned(), read("deploy/lambda/config.yaml")),
    ];
    for file in files() {
        let text = read(&file);
        let line = text.lines().filter_map(|line| line.strip_prefix("#   ")).filter(|line| line.starts_with("notify:"));
        texts.extend(line.map(|line| (file.clone(), line.to_owned())));
    }
    assert!(texts.len() >= 4, "{texts:?}");
    for (name, text) in texts {
        let path = sandbox.write("config.yaml", &text);
        let run = sandbox.run(&["--config", &path.to_string_lossy(), "config", "show"]);
        assert_eq!(run.code, 0, "{name}\n{run}");
    }
}

#[test]
fn variables_are_known() {
    let example = read(".env.example");
    let mut set: BTreeSet<(String, String)> = BTreeSet::new();
    for file in files() {
        let names: Vec<String> = match file.rsplit('/').next().expect("a name") {
            "crontab" => assignments(&file),
            name if name.ends_with(".service") => assignments(&file),
            "Dockerfile" => {
                let stage = last_stage(&file);
                let variables = stage.iter().filter_map(|line| line.strip_prefix("ENV "));
                let pairs = variables.flat_map(str::split_whitespace);
                pairs.map(|pair| pair.split('=').next().expect("a name").to_owned()).collect()
            }
            "compose.yaml" => keys(&yaml(&file)["services"]["watch"]["environment"]),
            "cronjob.yaml" => {
                let variables = pod()["containers"][0]["env"].as_sequence().cloned().expect("variables");
                variables.iter().map(|variable| variable["name"].as_str().expect("a name").to_owned()).collect()
            }
            // Only of the step that runs the program.
            "cost-anomalies.yml" => {
                let own = steps().into_iter().filter(|step| !calls(step["run"].as_str().expect("commands")).is_empty());
                own.flat_map(|step| keys(&step["env"])).collect()
            }
            _ => Vec::new(),
        };
        let folder = file.rsplit_once('/').expect("a folder").0.to_owned();
        set.extend(names.into_iter().map(|name| (folder.clone(), name)));
    }
    assert!(set.len() >= 12, "{set:?}");
    for (folder, name) in set {
        let beside = || {
            let mut files =
                files().into_iter().filter(|file| file.rsplit_once('/').is_some_and(|(of, _)| of == folder));
            files.any(|file| read(&file).contains(&format!("{{ env: {name} }}")))
        };
        let documented = example.lines().any(|line| line.split('=').next() == Some(name.as_str()));
        assert!(documented || STANDARD.contains(&name.as_str()) || beside(), "{folder} sets {name}");
    }
}

#[test]
fn permissions_are_the_documented_ones() {
    let documented = read("docs/IAM.md");
    let policy = json("deploy/iam/policy.json");
    assert_eq!(policy["Version"], "2012-10-17");
    let mut names = BTreeSet::new();
    for statement in policy["Statement"].as_array().expect("statements") {
        assert_eq!(statement["Effect"], "Allow");
        assert!(names.insert(statement["Sid"].as_str().expect("a Sid").to_owned()), "{statement}");
        let actions = match &statement["Action"] {
            serde_json::Value::Array(actions) => actions.clone(),
            action => vec![action.clone()],
        };
        for action in actions {
            let action = action.as_str().expect("an action");
            assert!(!action.contains('*'), "{action}");
            assert!(documented.contains(&format!("`{action}`")), "{action} is not in docs/IAM.md");
            // These take no narrower resource.
            let any = action.starts_with("ce:") || action.starts_with("organizations:");
            assert_eq!(statement["Resource"] == "*", any, "{statement}");
        }
    }
    let trust = json("deploy/iam/github-trust.json");
    let statement = &trust["Statement"][0];
    assert_eq!(statement["Action"], "sts:AssumeRoleWithWebIdentity");
    let claims = &statement["Condition"]["StringEquals"];
    assert_eq!(claims["token.actions.githubusercontent.com:aud"], "sts.amazonaws.com");
    let subject = claims["token.actions.githubusercontent.com:sub"].as_str().expect("a subject");
    assert!(subject.starts_with("repo:") && !subject.contains('*'), "{subject}");
}

#[test]
fn the_workflow_keeps_one_database_and_takes_no_keys() {
    let path = "deploy/github-actions/cost-anomalies.yml";
    let workflow = yaml(path);
    assert!(workflow["on"]["schedule"][0]["cron"].is_string());
    assert_eq!(workflow["permissions"]["id-token"], "write");
    assert_eq!(workflow["permissions"]["contents"], "read");
    assert_eq!(workflow["concurrency"]["cancel-in-progress"], false);
    let steps = workflow["jobs"]["run"]["steps"].as_sequence().expect("steps");
    let with = |action: &str| {
        let step = steps.iter().find(|step| step["uses"].as_str().is_some_and(|uses| uses.starts_with(action)));
        step.unwrap_or_else(|| panic!("no {action}"))["with"].clone()
    };
    assert!(with("aws-actions/configure-aws-credentials@v")["role-to-assume"].is_string());
    let (restore, save) = (with("actions/cache/restore@v"), with("actions/cache/save@v"));
    assert_eq!((&restore["path"], &restore["key"]), (&save["path"], &save["key"]));
    let (key, prefix) = (save["key"].as_str().expect("a key"), restore["restore-keys"].as_str().expect("a prefix"));
    assert!(key.starts_with(prefix) && key.contains("github.run_id") && key.contains("github.run_attempt"), "{key}");
    for step in steps {
        let line = step["run"].as_str().unwrap_or_default();
        assert!(!line.contains("${{"), "an expression within shell code: {line}");
    }
}

#[test]
fn containers_may_little() {
    let stage = last_stage("deploy/Dockerfile");
    assert_eq!(stage[0], "FROM scratch");
    let user = stage.iter().find_map(|line| line.strip_prefix("USER ")).expect("a user");
    let numbers: Vec<u32> = user.split(':').map(|id| id.parse().expect("a number")).collect();
    assert!(numbers.iter().all(|id| *id >= 1000), "{user}");
    assert!(stage.contains(&format!("ENTRYPOINT [\"/{PROGRAM}\"]")));
    assert!(read("deploy/Dockerfile.dockerignore").lines().any(|line| line == "*"));

    let services = &yaml("deploy/compose.yaml")["services"];
    for name in ["watch", "serve"] {
        let service = &services[name];
        assert_eq!(service["read_only"], true);
        assert_eq!(strings(&service["cap_drop"]), ["ALL"]);
        assert_eq!(strings(&service["security_opt"]), ["no-new-privileges:true"]);
    }
    // Only this machine reaches it past the proxy.
    assert!(strings(&services["serve"]["ports"]).iter().all(|port| port.starts_with("127.0.0.1:")));
    for container in serving() {
        assert_eq!(container["securityContext"]["readOnlyRootFilesystem"], true);
        assert_eq!(container["securityContext"]["allowPrivilegeEscalation"], false);
    }

    let job = &object("CronJob")["spec"];
    assert_eq!(job["concurrencyPolicy"], "Forbid");
    assert!(job["schedule"].is_string());
    let limits = &job["jobTemplate"]["spec"];
    assert!(limits["activeDeadlineSeconds"].is_u64() && limits["backoffLimit"].is_u64());
    let pod = pod();
    assert_eq!(pod["securityContext"]["runAsNonRoot"], true);
    assert_eq!(pod["securityContext"]["runAsUser"], numbers[0]);
    assert_eq!(pod["containers"][0]["securityContext"]["readOnlyRootFilesystem"], true);
    assert_eq!(pod["containers"][0]["securityContext"]["allowPrivilegeEscalation"], false);
    assert_eq!(pod["serviceAccountName"], object("ServiceAccount")["metadata"]["name"]);
    for volume in pod["volumes"].as_sequence().expect("volumes") {
        if let Some(claim) = volume["persistentVolumeClaim"]["claimName"].as_str() {
            assert_eq!(object("PersistentVolumeClaim")["metadata"]["name"], claim);
        }
    }
}

#[test]
fn units_are_whole_and_closed() {
    for name in ["aws-cost-anomalies", "aws-cost-anomalies-watch", "aws-cost-anomalies-serve"] {
        let unit = read(&format!("deploy/systemd/{name}.service"));
        let lines: Vec<&str> = unit.lines().collect();
        for line in [
            "[Unit]",
            "[Service]",
            "LoadCredential=secret:/etc/aws-cost-anomalies/secrets",
            "NoNewPrivileges=yes",
            "ProtectHome=yes",
            "ProtectSystem=strict",
            "StateDirectory=aws-cost-anomalies",
            "User=aws-cost-anomalies",
        ] {
            assert!(lines.contains(&line), "{name} lacks {line}");
        }
        assert_eq!(lines.iter().filter(|line| line.starts_with("ExecStart=/")).count(), 1, "{name}");
        // The path of a secret has the name of the unit in it.
        assert!(unit.contains(&format!("/run/credentials/{name}.service/secret_")), "{name}");
    }
    let timer = read("deploy/systemd/aws-cost-anomalies.timer");
    for line in ["[Timer]", "OnCalendar=", "RandomizedDelaySec=", "Persistent=true", "WantedBy=timers.target"] {
        assert!(timer.contains(line), "{line}");
    }
}

#[test]
fn links_lead_somewhere() {
    for file in ["deploy/README.md", "deploy/lambda.md"] {
        let text = read(file);
        for target in text.split("](").skip(1).filter_map(|rest| rest.split_once(')')).map(|(target, _)| target) {
            assert!(root().join("deploy").join(target).exists(), "{file} links to {target}");
        }
    }
}
