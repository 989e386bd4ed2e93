#!/usr/bin/env python3
"""Measures `explain`, `drilldown` and `compare` on a database of 50 million line items against DuckDB's own SQL.

    bench_explain.py BINARY [ROWS] [--keep FILE]

Makes the database with PyPI's duckdb (pip install duckdb, the version that BINARY --version names): 12 months, 40
accounts, 50 services, 12 regions, 600 usage types, 40,000 resources, one service that doubles. The peer answers a part of
the question only: cost of one service by usage type and by resource, one month against the month before, in one query
each. Times are of whole processes, the best and the median of five. Figures: docs/BENCHMARKS.md.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time

import duckdb

FIRST, DAYS = "2025-03-01", 365

LINES = """
INSERT INTO cost_line_items BY NAME
WITH lines AS (SELECT range AS i, hash(range) AS h FROM range({first}, {last}))
, parts AS (
    SELECT i, h,
           DATE '{start}' + CAST(i * {days} // {rows} AS INTEGER) AS usage_date,
           h % 40 AS account, (h >> 8) % 50 AS service, (h >> 16) % 12 AS region, (h >> 24) % 12 AS kind,
           (h >> 32) % 800 AS resource, (h >> 44) % 24 AS hour, 0.01 + ((h >> 50) % 1000) / 5000.0 AS dollars
    FROM lines)
SELECT 1 AS ingestion_id,
       usage_date + INTERVAL 1 HOUR * hour AS usage_start, usage_date + INTERVAL 1 HOUR * (hour + 1) AS usage_end, usage_date,
       date_trunc('month', usage_date)::DATE AS billing_period, 'cur2' AS data_source, 'AWS' AS provider, '000000000000' AS payer_account_id,
       printf('%012d', account + 100000000000) AS usage_account_id, 'Service' || service AS product_code,
       'region-' || region AS region, 'Service' || service || '-Usage:' || kind AS usage_type, 'Operation' || (kind % 3) AS operation,
       'arn:aws:service:region:' || account || ':thing/' || service || '-' || resource AS resource_id, 'Usage' AS line_item_type,
       'Usage' AS charge_category, 'OnDemand' AS purchase_option, 'Hrs' AS usage_unit, dollars * 10 * f AS usage_amount, 'USD' AS currency,
       dollars * f AS unblended_cost, dollars * f AS amortized_cost, dollars * f AS net_unblended_cost, dollars * f AS net_amortized_cost,
       'made' AS source_file, MAP {{'team': 'team-' || (service % 7)}} AS tags
FROM (SELECT *, CASE WHEN service = 7 AND account = 3 AND usage_date >= DATE '{start}' + {step} THEN 2.0 ELSE 1.0 END AS f FROM parts)
"""

SUMMARY = """
INSERT INTO daily_cost_summary BY NAME
SELECT usage_date, billing_period, provider, data_source, payer_account_id, usage_account_id, product_code, region, charge_category,
       currency, sum(unblended_cost) AS unblended_cost, sum(amortized_cost) AS amortized_cost, sum(net_unblended_cost) AS net_unblended_cost,
       sum(net_amortized_cost) AS net_amortized_cost, sum(usage_amount) AS usage_amount, count(*) AS line_item_count
FROM cost_line_items GROUP BY ALL
"""

PEER = """
SELECT {column}, sum(net_amortized_cost) FILTER (WHERE usage_date >= DATE '{middle}') - sum(net_amortized_cost) FILTER (WHERE usage_date < DATE '{middle}') AS change
FROM cost_line_items WHERE product_code = 'Service7' AND usage_date BETWEEN DATE '{first}' AND DATE '{last}'
GROUP BY 1 ORDER BY abs(change) DESC LIMIT 5
"""


def make(binary, path, rows):
    """A database that the binary made, filled with line items."""
    csv = path + ".csv"
    with open(csv, "w") as file:
        file.write("date,cost\n2025-01-01,1\n")
    subprocess.run([binary, "--db", path, "ingest", csv, "--quiet"], check=True, stdout=subprocess.DEVNULL)
    os.remove(csv)
    connection = duckdb.connect(path)
    connection.execute("DELETE FROM cost_line_items; DELETE FROM daily_cost_summary; SET preserve_insertion_order = false")
    step = DAYS - 10
    for first in range(0, rows, rows // 12 + 1):
        last = min(rows, first + rows // 12 + 1)
        connection.execute(LINES.format(first=first, last=last, rows=rows, start=FIRST, days=DAYS, step=step))
    connection.execute(SUMMARY)
    connection.execute("CHECKPOINT")
    connection.close()


def times(run):
    seconds = []
    for _ in range(5):
        begun = time.monotonic()
        run()
        seconds.append(time.monotonic() - begun)
    return min(seconds), statistics.median(seconds)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("binary")
    parser.add_argument("rows", nargs="?", type=int, default=50_000_000)
    parser.add_argument("--keep", help="use, or leave, the database here")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        path = options.keep or os.path.join(folder, "made.duckdb")
        if not os.path.exists(path):
            begun = time.monotonic()
            make(options.binary, path, options.rows)
            print(f"made {options.rows:,} line items in {time.monotonic() - begun:.0f} s, {os.path.getsize(path) / 1e9:.1f} GB", file=sys.stderr)
        as_of = ["--as-of", "2026-03-01", "--quiet", "--format", "json"]
        month = ["--from", "2026-01-28..2026-02-11", "--to", "2026-02-12..2026-02-26"]
        questions = {
            "explain --service": ["explain", "--service", "Service7", "--date", "2026-02-26"],
            "explain --service --account": ["explain", "--service", "Service7", "--account", "100000000003", "--date", "2026-02-26"],
            "drilldown, one service": ["drilldown", "--filter", "service=Service7", *month],
            "drilldown, whole bill": ["drilldown", *month],
            "compare, one service by usage type": ["compare", "--filter", "service=Service7", "--group-by", "usage-type", *month],
            "compare, whole bill by service": ["compare", *month],
        }
        for name, arguments in questions.items():
            run = lambda: subprocess.run([options.binary, "--db", path, *arguments, *as_of], check=True, stdout=subprocess.DEVNULL)
            best, median = times(run)
            print(f"{name}: best {best:.2f} s, median {median:.2f} s")

        def peer():
            code = (
                "import duckdb, sys; c = duckdb.connect(sys.argv[1], read_only=True)\n"
                "for q in sys.argv[2:]: c.execute(q).fetchall()"
            )
            days = {"first": "2026-01-28", "middle": "2026-02-12", "last": "2026-02-26"}
            queries = [PEER.format(column=column, **days) for column in ("usage_type", "resource_id")]
            subprocess.run([sys.executable, "-c", code, path, *queries], check=True)

        best, median = times(peer)
        print(f"DuckDB, one service by usage type and by resource: best {best:.2f} s, median {median:.2f} s")
        answer = subprocess.run([options.binary, "--db", path, *questions["explain --service"], *as_of], check=True, capture_output=True, text=True)
        print(json.loads(answer.stdout)["sentence"])


if __name__ == "__main__":
    main()
