# Kills an ingestion at a random moment, again and again: what the database then holds is each month as it was or as it is now, and the
# next ingestion has all. Bills are Google Cloud's and Azure's, an earlier version of which is stored before.
# Usage: kill_trials.py PROGRAM [TRIALS]. Prints how many were killed before, while and after anything was stored.
import os
import random
import shutil
import subprocess
import sys
import tempfile
import time

program = os.path.abspath(sys.argv[1])
trials = int(sys.argv[2]) if len(sys.argv) > 2 else 50
random.seed(15)
work = tempfile.mkdtemp()


def run(*arguments):
    done = subprocess.run([program, *arguments], cwd=work, capture_output=True, text=True)
    if done.returncode not in (0, 10):
        sys.exit(f"{arguments} failed:\n{done.stdout}{done.stderr}")
    return done.stdout


def months():
    sql = "SELECT data_source, billing_period, count(*), round(sum(unblended_cost), 6) FROM cost_line_items GROUP BY ALL ORDER BY ALL"
    lines = run("--db", "costs.duckdb", "sql", sql, "--format", "csv").splitlines()[1:]
    sums = "SELECT data_source, billing_period, sum(line_item_count)::BIGINT, round(sum(unblended_cost), 6) FROM daily_cost_summary GROUP BY ALL ORDER BY ALL"
    summary = run("--db", "costs.duckdb", "sql", sums, "--format", "csv").splitlines()[1:]
    if lines != summary:
        sys.exit(f"the summary is not of the line items:\n{lines}\n{summary}")
    return dict((line.rsplit(",", 2)[0], line) for line in lines)


for name, days in [("old", "2026-03-05"), ("new", "2026-03-15")]:
    for provider in ["gcp", "azure"]:
        run("sample-data", "--provider", provider, "--rows", "15000", "--days", "60", "--as-of", days, "--out", f"{name}/{provider}", "--quiet")
run("--db", "old.duckdb", "ingest", "old", "--quiet", "--as-of", "2026-03-15")
shutil.copy(f"{work}/old.duckdb", f"{work}/costs.duckdb")
before = months()
start = time.monotonic()
run("--db", "costs.duckdb", "ingest", "new", "--quiet", "--as-of", "2026-03-15", "--full-refresh")
takes = time.monotonic() - start
after = months()
seen = {"as before": 0, "in part": 0, "as after": 0}
for trial in range(trials):
    for file in os.listdir(work):
        if file.startswith("costs.duckdb"):
            os.remove(f"{work}/{file}")
    shutil.copy(f"{work}/old.duckdb", f"{work}/costs.duckdb")
    child = subprocess.Popen(
        [program, "--db", "costs.duckdb", "ingest", "new", "--quiet", "--as-of", "2026-03-15", "--full-refresh"],
        cwd=work,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    time.sleep(random.uniform(0, takes))
    child.kill()
    child.wait()
    now = months()
    for month, line in now.items():
        if line not in (before.get(month), after.get(month)):
            sys.exit(f"trial {trial}: {month} is neither as before nor as after: {line}")
    missing = [month for month in before if month not in now]
    if missing:
        sys.exit(f"trial {trial}: {missing} are gone")
    seen["as before" if now == before else "as after" if now == after else "in part"] += 1
    run("--db", "costs.duckdb", "ingest", "new", "--quiet", "--as-of", "2026-03-15", "--full-refresh")
    if months() != after:
        sys.exit(f"trial {trial}: the next ingestion did not bring all")
print(f"{trials} kills within {takes:.1f} s: " + ", ".join(f"{count} {what}" for what, count in seen.items()))
shutil.rmtree(work)
