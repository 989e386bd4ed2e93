#!/usr/bin/env bash
# Measures the newest day of 100,000 series of 400 days, from the database to the answer, against a z-score of eight weeks in
# DuckDB's own SQL on the same file, and a backtest of 500 series of 180 days. Figures: docs/BENCHMARKS.md.
set -euo pipefail
cd "$(dirname "$0")/.."
target=${CARGO_TARGET_DIR:-target}
cargo build --release --locked
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
# A copy, so that a build meanwhile changes nothing.
cp "$target/release/aws-cost-anomalies" "$work/aws-cost-anomalies"
program="$work/aws-cost-anomalies"
duckdb=$("$program" --version | sed 's/.*DuckDB v\(.*\))/\1/')
python3 -m venv "$work/venv"
"$work/venv/bin/pip" -q install "duckdb==$duckdb"
python="$work/venv/bin/python"
printf 'date,cost\n2026-03-01,1\n' >"$work/one.csv"
for size in "big 1000 100 400" "small 50 10 180"; do
  read -r name accounts services days <<<"$size"
  "$program" --db "$work/$name.duckdb" ingest "$work/one.csv" --quiet >/dev/null
  "$python" scripts/bench_newest_day.py make "$work/$name.duckdb" "$accounts" "$services" "$days"
done

measure() { /usr/bin/time -f '%e %M' "$program" --quiet --db "$@" 2>&1 >/dev/null | tail -1; }
newest() { measure "$work/big.duckdb" anomalies --group-by account+service --as-of 2026-03-15 "$@"; }
ours=()
peers=()
for run in 1 2 3; do
  line=$(newest --no-save)
  read -r seconds kilobytes <<<"$line"
  ours+=("$seconds")
  saving=$(newest)
  peer=$("$python" scripts/bench_newest_day.py peer "$work/big.duckdb")
  peers+=("${peer%% *}")
  replay=$(measure "$work/small.duckdb" backtest --group-by account+service --as-of 2026-03-15)
  echo "run $run: anomalies --no-save $seconds s, $((kilobytes / 1024)) MB peak; with the ledger ${saving% *} s;" \
    "DuckDB (seconds, flagged, version) $peer; backtest ${replay% *} s"
done
median() { printf '%s\n' "$@" | sort -n | sed -n 2p; }
awk -v ours="$(median "${ours[@]}")" -v peer="$(median "${peers[@]}")" \
  'BEGIN { printf "median: %.2f s against %.2f s, ratio %.2f\n", ours, peer, ours / peer }'
