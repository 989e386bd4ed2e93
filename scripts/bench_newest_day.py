# The data and the named peer of scripts/bench_newest_day.sh.
# Usage: bench_newest_day.py make DATABASE ACCOUNTS SERVICES DAYS    fills a database that the program created
#        bench_newest_day.py peer DATABASE                           prints seconds and version of DuckDB
import sys
import time

import duckdb

what, database, *numbers = sys.argv[1:]
LAST = "DATE '2026-03-15'"


def make(accounts, services, days):
    """Series with levels, weeks, trends, noise with tails, days without a charge; some begin, some stop, some jump."""
    connection = duckdb.connect(database, config={"preserve_insertion_order": "false"})
    for table in ["cost_line_items", "daily_cost_summary", "ingestion_log"]:
        connection.execute(f"DELETE FROM {table}")
    # Random numbers that depend on the series, the day and what they are for: uniform, and normal by Box and Muller.
    connection.execute("CREATE TEMP MACRO u(a, b, c) AS (hash(a * 1000003 + b * 7919 + c) % 1000003) / 1000003.0")
    connection.execute("CREATE TEMP MACRO n(a, b, c) AS sqrt(-2 * ln(u(a, b, c) + 1e-7)) * cos(6.283185307 * u(a, b, c + 1))")
    connection.execute(f"""
        CREATE TEMP TABLE series AS SELECT i,
            printf('%012d', 100000000000 + (i // {services}) * 37) AS account, 'AmazonService' || (i % {services}) AS service,
            exp(n(i, 0, 11) * 1.8 + 1) AS level, exp(n(i, 0, 15) * 0.6 - 2.6) AS noise, (u(i, 0, 23) - 0.4) * 0.0015 AS trend,
            CASE WHEN u(i, 0, 13) < 0.4 THEN 0.3 + 0.6 * u(i, 0, 14) ELSE 1 END AS weekend,
            CASE WHEN u(i, 0, 16) < 0.05 THEN u(i, 0, 17) * {days} ELSE 0 END AS first,
            CASE WHEN u(i, 0, 18) < 0.05 THEN u(i, 0, 19) * {days} ELSE {days} END AS last,
            CASE WHEN u(i, 0, 21) < 0.05 THEN 0.3 + 0.5 * u(i, 0, 22) ELSE 0 END AS idle
        FROM range({accounts * services}) r(i)""")
    for start in range(0, days, 30):
        connection.execute(f"""
            INSERT INTO daily_cost_summary
            SELECT day, date_trunc('month', day), 'AWS', 'csv', '100000000000', account, service, 'us-east-1', 'Usage', 'USD', NULL,
                cost, cost, cost, cost, cost, cost, 1, 1
            FROM (
                SELECT {LAST} - {days - 1} + d::INTEGER AS day, account, service,
                    level * exp(trend * d) * CASE WHEN dayofweek(day) IN (0, 6) THEN weekend ELSE 1 END
                    * exp(noise * (n(i, d, 31) + CASE WHEN u(i, d, 33) < 0.03 THEN 2 * n(i, d, 35) ELSE 0 END))
                    * CASE WHEN u(i, d, 37) < 0.001 THEN 2.5 ELSE 1 END AS cost
                FROM series, range({start}, {min(days, start + 30)}) r(d)
                WHERE d BETWEEN first AND last AND u(i, d, 41) >= idle)
            ORDER BY day, account, service""")
    connection.execute("CHECKPOINT")
    rows = connection.execute("SELECT count(*) FROM daily_cost_summary").fetchone()[0]
    print(f"{accounts * services} series, {days} days, {rows} rows")


def peer():
    """The modified z-score of the newest settled day against the eight weeks before it, in DuckDB's own SQL."""
    start = time.monotonic()
    connection = duckdb.connect(database, read_only=True)
    day = f"{LAST} - 2"
    flagged = connection.execute(f"""
        WITH series AS (
            SELECT usage_account_id, product_code, max(net_amortized_cost) FILTER (usage_date = {day}) AS cost,
                median(net_amortized_cost) FILTER (usage_date < {day}) AS usual, mad(net_amortized_cost) FILTER (usage_date < {day}) AS spread
            FROM daily_cost_summary
            WHERE data_source = 'csv' AND usage_date BETWEEN {day} - 56 AND {day}
                AND charge_category IN ('Usage', 'Purchase', 'Adjustment')
            GROUP BY ALL)
        SELECT usage_account_id, product_code, cost
        FROM series WHERE 0.6745 * abs(cost - usual) > 3.5 * spread""").fetchall()
    print(f"{time.monotonic() - start:.2f} {len(flagged)} {duckdb.__version__}")


if what == "make":
    make(*map(int, numbers))
else:
    peer()
