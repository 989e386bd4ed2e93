#!/usr/bin/env bash
# Asks a real model the 60 questions of tests/it/evals.rs and says how many it answers rightly: to the cent, with days and metric,
# without an invented figure. CONFIG is a configuration with `agent` and the provider's section; keys come from the environment.
#
#   ANTHROPIC_API_KEY=… ./scripts/evals.sh my-config.yaml
set -euo pipefail
cd "$(dirname "$0")/.."
config="${1:?a configuration with a model: ./scripts/evals.sh CONFIG}"
[ -r "$config" ] || { echo "error: cannot read \`$config\`" >&2; exit 1; }
AWS_COST_EVALS_CONFIG="$(realpath "$config")"
export AWS_COST_EVALS_CONFIG
cargo test --release --locked --test it evals::questions -- --nocapture
for part in sample traps real; do
  echo "== $part"
  cat "${CARGO_TARGET_DIR:-target}/tmp/evals-$part.txt"
done
