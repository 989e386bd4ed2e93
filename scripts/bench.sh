#!/usr/bin/env bash
# Measures the ingestion of a 10-million-line CUR 2.0 bill against DuckDB's own CREATE TABLE AS SELECT of the
# same columns plus the GROUP BY, on this machine, in this run. Usage: bench.sh [ROWS]. Figures: docs/BENCHMARKS.md.
set -euo pipefail
cd "$(dirname "$0")/.."
rows=${1:-10000000}
target=${CARGO_TARGET_DIR:-target}
cargo build --release --locked
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
program="$target/release/aws-cost-anomalies"
duckdb=$("$program" --version | sed 's/.*DuckDB v\(.*\))/\1/')
python3 -m venv "$work/venv"
"$work/venv/bin/pip" -q install "duckdb==$duckdb"
"$program" sample-data --out "$work/bill" --rows "$rows" --as-of 2026-03-15 --quiet >/dev/null
du -sm "$work/bill" | awk '{print "bill: " $1 " MB of parquet"}'

ours=()
peers=()
for run in 1 2 3; do
  rm -f "$work"/*.duckdb
  line=$(/usr/bin/time -f '%e %M' "$program" --db "$work/ours.duckdb" --memory-limit 2GB ingest "$work/bill" --quiet 2>&1 >/dev/null | tail -1)
  read -r seconds kilobytes <<<"$line"
  ours+=("$seconds")
  peer=$("$work/venv/bin/python" scripts/bench_peer.py "$work/bill/acme-cur2/data/*/*.parquet" "$work/peer.duckdb" 2GB)
  peers+=("${peer%% *}")
  echo "run $run: aws-cost-anomalies $seconds s, $((kilobytes / 1024)) MB peak; DuckDB (seconds, peak MB, version) $peer"
done
median() { printf '%s\n' "$@" | sort -n | sed -n 2p; }
awk -v ours="$(median "${ours[@]}")" -v peer="$(median "${peers[@]}")" \
  'BEGIN { printf "median: %.2f s against %.2f s, ratio %.2f\n", ours, peer, ours / peer }'

read_back() { /usr/bin/time -f '%e s' "$program" --db "$work/ours.duckdb" "$@" --quiet 2>&1 >/dev/null | tail -1; }
echo "trends, 14 days by service: $(read_back trends)"
echo "trends, 85 days by usage type (line items): $(read_back trends --days 85 --group-by usage-type)"
echo "anomalies, service+account: $(read_back anomalies --group-by service+account)"
ls -l "$program" | awk '{printf "binary: %.1f MB, stripped\n", $5 / 1e6}'
