//! Files as people have them, and as nobody should: every one is read as what it is, or refused in plain words.

use std::{
    fs,
    io::Write,
    os::unix::{ffi::OsStrExt, fs::symlink, net::UnixListener},
    path::Path,
    process::{Command, Stdio},
    sync::Arc,
    time::{Duration, Instant},
};

use arrow::{
    array::{
        ArrayRef, BinaryArray, BooleanArray, Date32Array, Decimal128Array, DictionaryArray, Float32Array, Float64Array,
        Int8Array, Int64Array, LargeStringArray, NullArray, StringArray, TimestampMicrosecondArray,
        TimestampMillisecondArray, TimestampNanosecondArray,
    },
    datatypes::Int32Type,
    record_batch::RecordBatch,
};
use parquet::arrow::ArrowWriter;

use crate::harness::{Run, Sandbox};

const HEADER: &str = "date,cost,account,service\n";
/// What DuckDB says of itself, and nobody who has a bill needs to know.
const JARGON: [&str; 8] =
    ["Binder", "Catalog", "Conversion Error", "struct_pack", "INTERNAL", "Invalid Input", "read_csv", "read_parquet"];

fn sum(sandbox: &Sandbox) -> f64 {
    sandbox.number("SELECT sum(unblended_cost) FROM cost_line_items")
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    encoder.write_all(bytes).expect("gzip");
    encoder.finish().expect("gzip")
}

fn parquet_of(columns: Vec<(&str, ArrayRef)>) -> Vec<u8> {
    let batch = RecordBatch::try_from_iter_with_nullable(columns.into_iter().map(|(name, array)| (name, array, true)));
    let batch = batch.expect("columns of one length");
    let mut bytes = Vec::new();
    let mut writer = ArrowWriter::try_new(&mut bytes, batch.schema(), None).expect("a writer");
    writer.write(&batch).expect("rows");
    writer.close().expect("a footer");
    bytes
}

/// Names that a header may have beside the two that a bill needs.
const NAMES: [&str; 32] = [
    "",
    " ",
    "\"\"",
    "'",
    "''",
    "\"a\"\"b\"",
    "\"a\nb\"",
    "\"a,b\"",
    "a\"b",
    "\"a\"b",
    "\"open",
    "\u{1b}[31m",
    "\0",
    "\u{202e}",
    "select",
    "a:b",
    "{",
    "}",
    "columns={",
    "--",
    "/*",
    "a;b",
    "\\",
    "\\'",
    "部署",
    "date",
    "COST",
    "tag_",
    "tag:\u{7}",
    "_",
    "rowid",
    "filename",
];

/// Values that a bill cannot have.
const VALUES: [&str; 20] = [
    "\"open",
    "\"a\"b",
    "soon",
    "",
    "1e999",
    "-",
    "--1",
    "0x10",
    "{}",
    "[1]",
    "NULL",
    "\0",
    "\u{1b}[2J",
    "2026-13-45",
    "99999-01-01",
    "294247-01-10 04:00:54.775807",
    "1 2",
    "1,5",
    "\\",
    "infinity",
];

#[test]
fn three_hundred_malformed_files_are_refused_in_plain_words() {
    let sandbox = Sandbox::new();
    let mut count = 0;
    let mut write = |ending: &str, content: &[u8]| {
        count += 1;
        sandbox.write(&format!("bills/{count:03}.{ending}"), content);
    };
    for name in NAMES {
        for header in [format!("{name},date,cost"), format!("date,cost,{name}"), format!("{name},date,{name},cost")] {
            let blanks = if header.matches(',').count() > 2 { "x,2026-03-01,x,1" } else { "2026-03-01,1,2026-03-01" };
            write("csv", format!("{header}\n{blanks}\n").as_bytes());
        }
    }
    for value in VALUES {
        // Payers of their own keep the files apart.
        let header = "date,cost,payer_account_id,usage_amount,tag_a";
        if !["infinity", "99999-01-01"].contains(&value) && !value.starts_with("294247") {
            write("csv", format!("{header}\n{value},1,{value}-date,1,x\n").as_bytes());
        }
        write("csv", format!("{header}\n2026-03-01,{value},{value}-cost,1,x\n").as_bytes());
        write("csv", format!("{header}\n2026-03-01,1,{value}-usage,{value},x\n").as_bytes());
        write("csv", format!("{header}\n2026-03-01,1,{value}-tag,1,{value}\n").as_bytes());
    }
    let good = format!("{HEADER}2026-03-01,1,x,y\n2026-03-02,2,x,y\n");
    for rows in
        ["a", "a,b", "2026-03-01,1,x,y,z", "\"2026-03-01,1,x,y", "2026-03-01,1,\"x\"x,y", "\r2026-03-01,1,x,y\r\n\n,,,"]
    {
        write("csv", format!("{good}{rows}\n").as_bytes());
    }
    for bytes in [
        &b"\xff"[..],
        b"\xfe\xff",
        b"\xff\xfe\0\x9c\n",
        b"\xef\xbb\xbf",
        b"\xef\xbb\xbf\xef\xbb\xbf",
        b"\0\0\0\0",
        b"\n\n\n",
        b"sep=",
        b"sep=;\n",
        b"{\"a\": 1}",
    ] {
        write("csv", bytes);
        write("csv", &[bytes, good.as_bytes()].concat());
        write("parquet", &[bytes, b"PAR1"].concat());
    }
    let packed = gzip(good.repeat(300).as_bytes());
    for at in 1..40 {
        write("csv.gz", &packed[..packed.len() * at / 40]);
    }
    let days: ArrayRef =
        Arc::new(StringArray::from_iter_values((0..500).map(|day| format!("2026-03-{:02}", day % 28 + 1))));
    let costs: ArrayRef = Arc::new(Float64Array::from_iter_values((0..500).map(f64::from)));
    let parquet = parquet_of(vec![("date", days), ("cost", costs)]);
    for at in 1..60 {
        let mut broken = parquet.clone();
        let start = broken.len() * at / 60;
        broken[start..start + 8].iter_mut().for_each(|byte| *byte ^= 0xa5);
        write("parquet", &broken);
    }
    assert!(count >= 300, "{count}");
    let run = sandbox.run(&["ingest", "bills"]);
    assert_eq!(run.code, 1, "{run}");
    assert!(run.stderr.matches("error: ").count() > 100, "{run}");
    assert_plain(&run);
    assert!(!run.stderr.contains("please report"), "{run}");
}

/// No word of DuckDB's, and nothing that moves a terminal.
fn assert_plain(run: &Run) {
    for line in run.stdout.lines().chain(run.stderr.lines()) {
        assert!(!JARGON.iter().any(|word| line.contains(word)), "{line}\n\n{run}");
        assert!(!line.contains(char::is_control), "{line:?}");
    }
}

#[test]
fn dates_and_numbers_of_every_parquet_type_are_read() {
    let sandbox = Sandbox::new();
    let noon = 1_772_366_400_i64; // 2026-03-01T12:00:00Z
    let dates: Vec<ArrayRef> = vec![
        Arc::new(TimestampNanosecondArray::from(vec![noon * 1_000_000_000]).with_timezone("UTC")),
        Arc::new(TimestampNanosecondArray::from(vec![noon * 1_000_000_000])),
        Arc::new(TimestampMicrosecondArray::from(vec![noon * 1_000_000]).with_timezone("+02:00")),
        Arc::new(TimestampMicrosecondArray::from(vec![noon * 1_000_000])),
        Arc::new(TimestampMillisecondArray::from(vec![noon * 1000]).with_timezone("UTC")),
        Arc::new(Date32Array::from(vec![20_513])),
        Arc::new(StringArray::from(vec!["2026-03-01"])),
        Arc::new(LargeStringArray::from(vec!["2026-03-01T12:00:00Z"])),
        Arc::new(vec!["2026-03-01"].into_iter().collect::<DictionaryArray<Int32Type>>()),
        Arc::new(BinaryArray::from(vec![&b"2026-03-01"[..]])),
    ];
    let costs: Vec<ArrayRef> = vec![
        Arc::new(Float64Array::from(vec![2.0])),
        Arc::new(Float32Array::from(vec![2.0])),
        Arc::new(Decimal128Array::from(vec![200]).with_precision_and_scale(20, 2).expect("a decimal")),
        Arc::new(Int8Array::from(vec![2])),
        Arc::new(Int64Array::from(vec![2])),
        Arc::new(StringArray::from(vec!["2.0"])),
    ];
    let more = |columns: &mut Vec<(&'static str, ArrayRef)>| {
        columns.push(("usage_amount", Arc::new(NullArray::new(1))));
        columns.push(("resource", Arc::new(BooleanArray::from(vec![true]))));
        columns.push(("service", Arc::new(BinaryArray::from(vec![&b"text without a mark"[..]]))));
        columns.push(("account", Arc::new(Int64Array::from(vec![7]))));
    };
    let mut files = 0;
    let pairs = dates.iter().map(|date| (date, &costs[0])).chain(costs.iter().map(|cost| (&dates[0], cost)));
    for (date, cost) in pairs {
        files += 1;
        let payer: ArrayRef = Arc::new(StringArray::from(vec![format!("payer-{files}")]));
        let mut columns = vec![("date", Arc::clone(date)), ("cost", Arc::clone(cost)), ("payer_account_id", payer)];
        more(&mut columns);
        sandbox.write(&format!("bills/{files}.parquet"), parquet_of(columns));
    }
    let run = sandbox.ok(&["ingest", "bills", "--data-source", "vendor", "--quiet"]);
    assert_plain(&run);
    let rows = sandbox.rows(
        "SELECT usage_date, product_code, usage_account_id, resource_id, sum(unblended_cost) AS cost, count(*) AS files \
         FROM cost_line_items GROUP BY ALL",
    );
    assert_eq!(rows.len(), 1, "{rows:?}");
    assert_eq!(rows[0]["usage_date"], "2026-03-01");
    assert_eq!(rows[0]["product_code"], "text without a mark");
    assert_eq!((&rows[0]["usage_account_id"], &rows[0]["resource_id"]), (&"7".into(), &"true".into()));
    assert_eq!(rows[0]["cost"], 2.0 * f64::from(files));
}

#[test]
fn parquet_columns_that_share_a_name_or_have_none_are_told_apart() {
    let sandbox = Sandbox::new();
    let text = |value: &str| -> ArrayRef { Arc::new(StringArray::from(vec![value])) };
    let bytes = parquet_of(vec![
        ("", text("x")),
        ("date", text("2026-03-01")),
        ("cost", Arc::new(Float64Array::from(vec![5.0]))),
        ("note", text("a")),
        ("Note", text("b")),
        ("a \"quoted\"\nname", text("c")),
        ("tag:team", text("web")),
    ]);
    sandbox.write("odd.parquet", bytes);
    assert_plain(&sandbox.ok(&["ingest", "odd.parquet"]));
    assert_eq!(sum(&sandbox), 5.0);
    assert_eq!(sandbox.rows("SELECT tags['team'] AS team FROM cost_line_items")[0]["team"], "web");
}

#[test]
fn a_date_or_a_cost_of_another_type_is_refused_by_its_name() {
    for (date, cost) in
        [("true", "1.0"), ("DATE '2026-03-01'", "DATE '2026-03-01'"), ("TIME '10:00:00'", "1.0"), ("[1, 2]", "1.0")]
    {
        let sandbox = Sandbox::new();
        sandbox.parquet("odd.parquet", &format!("SELECT {date} AS date, {cost} AS cost"));
        let run = sandbox.run(&["ingest", "odd.parquet"]);
        assert_eq!(run.code, 1, "{run}");
        assert_plain(&run);
    }
}

#[test]
fn text_in_other_encodings_and_packings_is_read() {
    let sandbox = Sandbox::new();
    let text = |month: u32, cost: &str| {
        format!("{HEADER}2026-{month:02}-01,{cost},Köln,\"a\nb\"\n2026-{month:02}-02,0.5,Köln,y\n")
    };
    let utf16 = |text: &str, to_bytes: fn(u16) -> [u8; 2]| text.encode_utf16().flat_map(to_bytes).collect::<Vec<u8>>();
    let latin = |text: &str| text.chars().map(|c| u8::try_from(u32::from(c)).expect("Latin-1")).collect::<Vec<u8>>();
    let mut bz2 = bzip2::write::BzEncoder::new(Vec::new(), bzip2::Compression::default());
    bz2.write_all(text(5, "16").as_bytes()).expect("bzip2");
    let zstd = |bytes: &[u8]| ruzstd::encoding::compress_to_vec(bytes, ruzstd::encoding::CompressionLevel::Fastest);
    for (name, content) in [
        ("01.csv", utf16(&format!("\u{feff}{}", text(1, "1")), u16::to_le_bytes)),
        ("02.csv", utf16(&format!("\u{feff}{}", text(2, "2")), u16::to_be_bytes)),
        ("03.csv", latin(&text(3, "4"))),
        ("04.csv.gz", gzip(&latin(&text(4, "8")))),
        ("05.csv.bz2", bz2.finish().expect("bzip2")),
        ("06.csv.zst", zstd(text(6, "32").as_bytes())),
        ("07.csv.zst", zstd(&utf16(&format!("\u{feff}{}", text(7, "64")), u16::to_le_bytes))),
        ("08.csv", format!("\u{feff}sep=;\r\n{}", text(8, "128").replace('\n', "\r\n").replace(',', ";")).into_bytes()),
        ("09.csv", text(9, "256").replace(',', "\u{1}").into_bytes()),
        ("10.csv", text(10, "512").replacen('\n', "\r\n", 1).into_bytes()),
        ("11.csv", text(11, "1024").replacen('\n', ",\n", 1).into_bytes()),
        ("12.csv", format!("\n{}", text(12, "2048")).into_bytes()),
    ] {
        sandbox.write(&format!("bills/{name}"), content);
    }
    let run = sandbox.ok(&["ingest", "bills"]);
    assert_eq!(sum(&sandbox), 4095.0 + 6.0, "{run}");
    let accounts = sandbox.rows("SELECT DISTINCT usage_account_id AS id FROM cost_line_items");
    assert_eq!((accounts.len(), &accounts[0]["id"]), (1, &"Köln".into()));
    assert!(run.stdout.contains("no UTF-8 text: letters beyond ASCII are read as Windows-1252"), "{run}");
    let left = fs::read_dir(sandbox.path("data")).expect("the folder").count();
    assert_eq!(left, 1, "only the database is left");
    assert_eq!(sandbox.json(&["ingest", "bills", "--quiet"])["unchanged"].as_array().map(Vec::len), Some(12));
}

#[test]
fn a_gzip_that_grows_beyond_bills_is_refused() {
    let sandbox = Sandbox::new();
    // The last four bytes of such a file say how long its last part is, not all of it.
    let part = gzip(&[b'0'; 1 << 20]);
    sandbox.write("bomb.csv.gz", [gzip(HEADER.as_bytes()), part.repeat(70)].concat());
    let run = sandbox.run(&["ingest", "bomb.csv.gz", "--quiet"]);
    assert!(run.stderr.contains("the archive unpacks to more than any bill does"), "{run}");
    assert!(run.stderr.contains("hint: if it is a bill all the same, unpack it yourself and ingest the CSV"), "{run}");
}

#[test]
fn the_file_that_is_named_is_the_one_that_is_read() {
    for (name, others) in [
        ("a[1].csv", &["a1.csv"][..]),
        ("b*.csv", &["bx.csv", "b.csv"]),
        ("c?.csv", &["cx.csv"]),
        ("d\\e.csv", &["d/e.csv"]),
        ("f\\[1]*.csv", &["f1.csv", "f\\1x.csv"]),
        ("[g]/x.csv", &["g/x.csv"]),
        ("h\u{1b}[31m.csv", &["h.csv"]),
        ("**", &["i.csv"]),
    ] {
        let sandbox = Sandbox::new();
        for other in others {
            sandbox.write(other, format!("{HEADER}2026-03-01,100,x,y\n"));
        }
        sandbox.write(name, format!("{HEADER}2026-03-01,7,x,y\n"));
        sandbox.ok(&["ingest", name]);
        assert_eq!(sum(&sandbox), 7.0, "{name}");
        let again = sandbox.json(&["ingest", name, "--quiet"]);
        assert_eq!(again["unchanged"].as_array().map(Vec::len), Some(1), "{name}");
    }
}

#[test]
fn a_name_that_is_not_utf8_is_refused_and_no_other_file_is_read() {
    let sandbox = Sandbox::new();
    let path = sandbox.path("").join(std::ffi::OsStr::from_bytes(b"a\xff.csv"));
    fs::write(&path, format!("{HEADER}2026-03-01,7,x,y\n")).expect("written");
    sandbox.write("a\u{fffd}.csv", format!("{HEADER}2026-03-01,100,x,y\n"));
    let mut command = sandbox.command(&["ingest"]);
    command.arg(&path);
    let run = sandbox.finish(command);
    assert_eq!(run.code, 1);
    assert!(run.stderr.contains("its name is not UTF-8"), "{run}");
    assert!(run.stderr.contains("hint: rename the file or the folder that it is in"), "{run}");
}

#[test]
fn what_comes_out_of_a_pipe_is_read() {
    let sandbox = Sandbox::new();
    sandbox.write("march.csv", format!("{HEADER}2026-03-01,7,x,y\n"));
    sandbox.write("packed.csv.gz", gzip(format!("{HEADER}2026-03-01,9,x,y\n").as_bytes()));
    let binary = env!("CARGO_BIN_EXE_aws-cost-anomalies");
    let shell = |script: &str| {
        let mut command = Command::new("bash");
        command.args(["-c", script]).current_dir(sandbox.path("")).stdin(Stdio::null());
        sandbox.finish(command)
    };
    let run = shell(&format!("{binary} ingest <(cat march.csv)"));
    assert_eq!(run.code, 0, "{run}");
    assert_eq!(sum(&sandbox), 7.0);
    let run = shell(&format!("{binary} ingest <(cat march.csv) --format json --quiet"));
    assert!(run.stdout.contains("\"unchanged\": [\n    {"), "{run}");
    let run = shell(&format!("cat packed.csv.gz | {binary} --db other.duckdb ingest /dev/stdin"));
    assert_eq!(run.code, 0, "{run}");
    let run = shell(&format!("{binary} --db third.duckdb ingest /dev/stdin < march.csv"));
    assert_eq!(run.code, 0, "{run}");
}

#[test]
fn pipes_and_devices_in_a_folder_are_passed_over_and_devices_refused() {
    let sandbox = Sandbox::new();
    sandbox.write("bills/a.csv", format!("{HEADER}2026-03-01,7,x,y\n"));
    let made =
        Command::new("mkfifo").args(["bills/pipe.csv", "bills/x-Manifest.json"]).current_dir(sandbox.path("")).status();
    assert!(made.expect("mkfifo").success());
    symlink("/dev/zero", sandbox.path("bills/zero.csv")).expect("a link");
    let _socket = UnixListener::bind(sandbox.path("bills/socket.csv")).expect("a socket");
    sandbox.ok(&["ingest", "bills"]);
    sandbox.ok(&["ingest", "bills/*"]);
    assert_eq!(sum(&sandbox), 7.0);
    for name in ["/dev/zero", "bills/zero.csv", "bills/socket.csv"] {
        let run = sandbox.run(&["ingest", name]);
        assert_eq!(run.code, 1);
        assert!(run.stderr.contains("it is a device or a socket, not a file"), "{run}");
        assert!(run.stderr.len() < 400, "{run}");
    }
}

#[test]
fn a_file_that_was_changed_under_its_old_date_is_read_again() {
    let sandbox = Sandbox::new();
    let path = sandbox.write("a.csv", format!("{HEADER}2026-03-01,1,x,y\n"));
    sandbox.ok(&["ingest", "a.csv", "--data-source", "vendor"]);
    let date = fs::metadata(&path).and_then(|metadata| metadata.modified()).expect("a date");
    fs::write(&path, format!("{HEADER}2026-03-01,9,x,y\n")).expect("written");
    fs::File::options().write(true).open(&path).and_then(|file| file.set_modified(date)).expect("set the date");
    sandbox.ok(&["ingest", "a.csv", "--data-source", "vendor"]);
    assert_eq!(sum(&sandbox), 9.0);
}

#[test]
fn what_a_killed_command_left_goes_with_the_next_writer_of_the_same_database() {
    let sandbox = Sandbox::new();
    sandbox.write("a.csv", format!("{HEADER}2026-03-01,1,x,y\n"));
    sandbox.ok(&["--db", "a.duckdb", "ingest", "a.csv"]);
    sandbox.write(".unpacked-a.duckdb-AbCd12/0.csv", "left");
    sandbox.write(".unpacked-a.duckdb-x-AbCd12/0.csv", "in use");
    sandbox.ok(&["--db", "a.duckdb", "trends", "--quiet"]);
    assert!(sandbox.path(".unpacked-a.duckdb-AbCd12").exists(), "a reader leaves it");
    sandbox.ok(&["--db", "a.duckdb", "ingest", "a.csv"]);
    assert!(!sandbox.path(".unpacked-a.duckdb-AbCd12").exists());
    assert!(sandbox.path(".unpacked-a.duckdb-x-AbCd12").exists());
}

#[test]
fn very_many_columns_are_read_in_no_time_or_refused() {
    let sandbox = Sandbox::new();
    let bill = |columns: usize, name: fn(usize) -> String| {
        let names: Vec<String> = (0..columns).map(name).collect();
        let values = vec!["v"; columns].join(",");
        format!("date,cost,{}\n2026-03-01,3,{values}\n", names.join(","))
    };
    sandbox.write("tags.csv", bill(3500, |tag| format!("tag:k{tag}")));
    sandbox.write("wide.csv", bill(20_000, |tag| format!("tag:k{tag}")));
    sandbox.write("same.csv", bill(20_000, |_| String::new()));
    let started = Instant::now();
    sandbox.ok(&["ingest", "tags.csv", "--quiet"]);
    assert_eq!(sandbox.number("SELECT cardinality(tags) FROM cost_line_items"), 3500.0);
    for name in ["wide.csv", "same.csv"] {
        let run = sandbox.run(&["ingest", name, "--quiet"]);
        assert!(run.stderr.contains("it has 20002 columns, more than any bill"), "{run}");
    }
    assert!(started.elapsed() < Duration::from_secs(120), "{:?}", started.elapsed());
    assert!(Path::new(&sandbox.path("data/costs.duckdb")).exists());
}
