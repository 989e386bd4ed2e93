#!/usr/bin/env bash
# Measures the ingestion of Azure's and Google Cloud's bills of 10 million rows against DuckDB's own CREATE TABLE AS SELECT of the same
# columns plus the GROUP BY, on this machine, in this run. Usage: bench_clouds.sh [ROWS]. Figures: docs/BENCHMARKS.md.
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
"$program" sample-data --provider azure --out "$work/azure" --rows "$rows" --as-of 2026-03-15 --quiet >/dev/null
rm -rf "$work/azure/costs-actual"
"$program" sample-data --provider gcp --out "$work/gcp" --rows "$rows" --as-of 2026-03-15 --quiet >/dev/null
median() { printf '%s\n' "$@" | sort -n | sed -n 2p; }
for cloud in azure gcp; do
  du -sm "$work/$cloud" | awk -v cloud=$cloud '{print cloud ": " $1 " MB"}'
  ours=()
  peers=()
  for run in 1 2 3; do
    rm -f "$work"/*.duckdb
    line=$(/usr/bin/time -f '%e %M' "$program" --db "$work/ours.duckdb" --memory-limit 4GB ingest "$work/$cloud" --quiet 2>&1 >/dev/null | tail -1)
    read -r seconds kilobytes <<<"$line"
    ours+=("$seconds")
    peer=$("$work/venv/bin/python" scripts/bench_clouds_peer.py "$cloud" "$work/$cloud" "$work/peer.duckdb" 4GB)
    peers+=("${peer%% *}")
    echo "$cloud, run $run: aws-cost-anomalies $seconds s, $((kilobytes / 1024)) MB peak; DuckDB (seconds, peak MB, rows) $peer"
  done
  awk -v ours="$(median "${ours[@]}")" -v peer="$(median "${peers[@]}")" \
    'BEGIN { printf "median: %.2f s against %.2f s, ratio %.2f\n", ours, peer, ours / peer }'
done
