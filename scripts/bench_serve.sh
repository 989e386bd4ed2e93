#!/usr/bin/env bash
# Measures the server on a bill of ten million line items: cold and kept answers, many readers, an ingestion beside them, and the
# same page made with Streamlit. Usage: bench_serve.sh [ROWS]. Figures: docs/BENCHMARKS.md.
set -euo pipefail
cd "$(dirname "$0")/.."
rows=${1:-10000000}
target=${CARGO_TARGET_DIR:-target}
cargo build --release --locked
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
program="$(realpath "$target/release/aws-cost-anomalies")"
# The load comes from oha, which takes the least of the two cores itself.
oha=$(command -v oha || echo "$target/oha/bin/oha")
[ -x "$oha" ] || cargo install oha --version 1.16.0 --root "$target/oha" --no-default-features --features rustls --locked
duckdb=$("$program" --version | sed 's/.*DuckDB v\(.*\))/\1/')
peer="$target/bench-serve"
[ -x "$peer/bin/streamlit" ] || { python3 -m venv "$peer" && "$peer/bin/pip" -q install "duckdb==$duckdb" streamlit==1.67.0 pandas selenium==4.51.0; }
"$program" sample-data --out "$work/bill" --rows "$rows" --as-of 2026-03-15 --quiet >/dev/null
"$program" --db "$work/costs.duckdb" ingest "$work/bill" --quiet >/dev/null
"$program" --db "$work/costs.duckdb" run --no-ingest --quiet --as-of 2026-03-15 >/dev/null
"$peer/bin/python" scripts/bench_serve.py "$program" "$work/costs.duckdb" 2026-03-15 "$oha"
