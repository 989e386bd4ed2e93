# Replays forecasts of generated estates with the program itself (`forecast --backtest`) and prints one table.
#
#   forecast.py --binary BIN --evalkit DIR --work DIR [--days N] PROFILE:SEED[,SEED...] ...
import argparse
import csv
import io
import os
import subprocess
import sys
import tempfile

METHODS = ["forecast", "month_to_date", "opt_scale", "koku"]
DAYS = ["5", "10", "15", "20"]


def replay(arguments, profile, seed):
    """The rows of groups, of one estate."""
    folder = os.path.join(arguments.work, f"{profile}{seed}-{arguments.days}")
    costs = os.path.join(folder, "costs.csv")
    if not os.path.exists(costs):
        generator = os.path.join(arguments.evalkit, "gen.py")
        subprocess.run([sys.executable, generator, "--out", folder, "--seed", str(seed), "--profile", profile,
                        "--days", str(arguments.days)], check=True, stdout=subprocess.DEVNULL)
    with tempfile.TemporaryDirectory() as scratch:
        database = os.path.join(scratch, "costs.duckdb")
        program = [arguments.binary, "--db", database, "--quiet"]
        subprocess.run([*program, "ingest", costs], check=True, stdout=subprocess.DEVNULL)
        answer = subprocess.run([*program, "forecast", "--backtest", "--group-by", "account", "--format", "csv"],
                                check=True, capture_output=True, text=True)
    return [row for row in csv.DictReader(io.StringIO(answer.stdout)) if row["of"] == "groups"]


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--binary", required=True)
    parser.add_argument("--evalkit", required=True)
    parser.add_argument("--work", required=True)
    parser.add_argument("--days", type=int, default=180)
    parser.add_argument("estates", nargs="+")
    arguments = parser.parse_args()
    print(f"Month totals of accounts, {arguments.days} days of history, at day 5 / 10 / 15 / 20\n")
    print("| estates | method | mean error % | bias % | in 80 % interval | forecasts |\n|---|---|---|---|---|---|")
    for estate in arguments.estates:
        profile, seeds = estate.split(":")
        rows = [row for seed in seeds.split(",") for row in replay(arguments, profile, seed)]
        for method in METHODS:
            def cell(column, digits=1):
                """The mean over estates, each weighted by its forecasts."""
                cells = []
                for day in DAYS:
                    own = [row for row in rows if (row["method"], row["day"]) == (method, day) and row[column]]
                    weight = sum(int(row["forecasts"]) for row in own)
                    sums = sum(float(row[column]) * int(row["forecasts"]) for row in own)
                    cells.append(f"{sums / weight:.{digits}f}" if weight else "-")
                return " / ".join(cells)
            count = sum(int(row["forecasts"]) for row in rows if (row["method"], row["day"]) == (method, "5"))
            print(f"| {profile} {seeds} | {method.replace('_', ' ')} | {cell('mape_pct')} | {cell('bias_pct')} "
                  f"| {cell('coverage_80', 2)} | {count} |")


main()
