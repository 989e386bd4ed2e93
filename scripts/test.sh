#!/usr/bin/env bash
# Builds what the tests need and runs them all; the first build compiles DuckDB (half an hour on 2 cores).
set -euo pipefail
cd "$(dirname "$0")/.."
for tool in cargo c++; do
  command -v "$tool" >/dev/null || { echo "error: \`$tool\` is missing; install Rust (rustup.rs) and a C++ compiler" >&2; exit 1; }
done
# Only the release profile, so that DuckDB is compiled once.
exec cargo test --release --locked "$@"
