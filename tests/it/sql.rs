//! The user's own SQL, and what it may not do.

use crate::harness::Sandbox;

fn bill() -> Sandbox {
    let sandbox = Sandbox::new();
    sandbox.write("a.csv", "date,cost,service\n2026-03-01,1.5,x\n2026-03-02,2.5,y|z\n");
    sandbox.ok(&["ingest", "a.csv", "--quiet"]);
    sandbox
}

#[test]
fn a_select_in_every_format() {
    let sandbox = bill();
    let query = "SELECT usage_date, product_code, unblended_cost, resource_id FROM cost_line_items ORDER BY 1";
    for format in ["table", "json", "csv", "markdown"] {
        insta::assert_snapshot!(format!("sql_{format}"), sandbox.run(&["sql", query, "--format", format]));
    }
}

#[test]
fn types_have_plain_values() {
    let query = "SELECT 1.25::DECIMAL(10, 2) AS decimal, 170141183460469231731687303715884105727::HUGEINT AS huge, \
                 [1, 2] AS list, {'a': 1} AS struct, MAP {'k': 'v'} AS map, TIMESTAMP '2026-03-01 10:00:00' AS at, \
                 TIME '10:00:00' AS time, INTERVAL 3 DAY AS interval, NULL AS nothing, true AS yes";
    insta::assert_snapshot!(bill().run(&["sql", query, "--format", "json"]), @r#"
    {
      "schema_version": 1,
      "operation": "sql",
      "warnings": [],
      "columns": [
        "decimal",
        "huge",
        "list",
        "struct",
        "map",
        "at",
        "time",
        "interval",
        "nothing",
        "yes"
      ],
      "truncated": false,
      "rows": [
        {
          "decimal": 1.25,
          "huge": "170141183460469231731687303715884105727",
          "list": [
            1,
            2
          ],
          "struct": {
            "a": 1
          },
          "map": {
            "k": "v"
          },
          "at": "2026-03-01 10:00:00",
          "time": "10:00:00",
          "interval": "3 days",
          "nothing": null,
          "yes": true
        }
      ]
    }
    --- exit code 0
    "#);
}

#[test]
fn more_rows_than_the_limit_are_said() {
    insta::assert_snapshot!(bill().run(&["sql", "SELECT range FROM range(5)", "--limit", "2"]), @"
    range
        0
        1
    --- stderr
    note: there are more than 2 rows; `--limit` shows more
    --- exit code 0
    ");
}

#[test]
fn columns_that_do_not_fit_are_counted_however_many_they_are() {
    let sandbox = bill();
    let columns: Vec<String> = (0..2000).map(|index| format!("{index} AS c{index}")).collect();
    let query = format!("SELECT {}", columns.join(", "));
    let mut command = sandbox.command(&["sql", &query]);
    command.env("COLUMNS", "30");
    insta::assert_snapshot!(sandbox.finish(command), @"
    c0  c1  c2  c3  c4  c5  c6  c7
     0   1   2   3   4   5   6   7

    1992 columns are left out, which do not fit; `--format csv` has them
    --- exit code 0
    ");
    let csv = sandbox.ok(&["sql", &query, "--format", "csv"]).stdout;
    assert_eq!(csv.lines().next().map(|header| header.split(',').count()), Some(2000));
}

#[test]
fn an_answer_without_rows_has_its_columns() {
    insta::assert_snapshot!(bill().run(&["sql", "SELECT product_code, unblended_cost FROM cost_line_items WHERE false", "--format", "csv"]), @"
    product_code,unblended_cost
    --- exit code 0
    ");
}

#[test]
fn nothing_is_written_read_or_configured() {
    let sandbox = bill();
    sandbox.write("secret.csv", "a\nsecret\n");
    let before = sandbox.rows("FROM cost_line_items");
    let attempts = [
        "DELETE FROM cost_line_items",
        "DROP TABLE cost_line_items",
        "SELECT 1; DELETE FROM cost_line_items",
        "UPDATE cost_line_items SET unblended_cost = 0",
        "CREATE TABLE mine AS SELECT 1",
        "INSERT INTO accounts VALUES ('1', 'x', 'y')",
        "COPY cost_line_items TO 'stolen.csv'",
        "COPY (SELECT 1) TO 'stolen.csv'",
        "EXPORT DATABASE 'stolen'",
        "ATTACH 'other.duckdb'",
        "PRAGMA database_list",
        "SET enable_external_access = true",
        "RESET lock_configuration",
        "INSTALL httpfs",
        "LOAD httpfs",
        "CALL pragma_version()",
        "FROM 'secret.csv'",
        "FROM read_csv('secret.csv')",
        "FROM read_text('secret.csv')",
        "FROM glob('*')",
        "SELECT * FROM 'https://example.com/a.parquet'",
        "SELECT getenv('HOME')",
        "",
        ";",
        "/* nothing */",
    ];
    for attempt in attempts {
        let run = sandbox.run(&["sql", attempt]);
        assert!(run.code == 1 || run.code == 2, "{attempt}: {run}");
        assert!(!run.stdout.contains("secret") && !run.stdout.contains("/"), "{attempt}: {run}");
    }
    assert!(!sandbox.path("stolen.csv").exists() && !sandbox.path("other.duckdb").exists());
    assert_eq!(sandbox.rows("FROM cost_line_items"), before);
}

#[test]
fn a_query_that_takes_too_long_is_stopped() {
    let query = "SELECT count(*) FROM range(100000000) a, range(100000) b WHERE (a.range * b.range) % 7 = 3";
    insta::assert_snapshot!(bill().run(&["sql", query, "--timeout", "0.2"]), @"
    --- stderr
    error: the query took longer than 0.2 s
    hint: allow more with `--timeout`
    --- exit code 1
    ");
}

#[test]
fn mistakes_are_explained() {
    let sandbox = bill();
    insta::assert_snapshot!(sandbox.run(&["sql", "SELEC 1"]), @r#"
    --- stderr
    error: the query cannot be parsed
      caused by: syntax error at or near "SELEC"
    --- exit code 2
    "#);
    insta::assert_snapshot!(sandbox.run(&["sql", "SELECT costs FROM daily_cost_summary"]), @r#"
    --- stderr
    error: the query failed
      caused by: Binder Error: Referenced column "costs" not found in FROM clause!
        Candidate bindings: "list_cost", "usd_rate", "amortized_cost", "charge_category", "product_code"
    --- exit code 1
    "#);
}
