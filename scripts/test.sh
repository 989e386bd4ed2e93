#!/usr/bin/env bash
# Sets up what the tests need and runs them all; the first build compiles DuckDB (half an hour on 2 cores).
set -euo pipefail
cd "$(dirname "$0")/.."
for tool in cargo c++; do
  command -v "$tool" >/dev/null || { echo "error: \`$tool\` is missing; install Rust (rustup.rs) and a C++ compiler" >&2; exit 1; }
done
# A server for S3 that others wrote. Without it the tests of S3 say that they were left out.
moto="${CARGO_TARGET_DIR:-target}/moto"
version=5.2.5
if ! "$moto/bin/python" -c "import moto.server, moto; assert moto.__version__ == '$version'" 2>/dev/null; then
  if command -v python3 >/dev/null; then
    rm -rf "$moto"
    if ! { python3 -m venv "$moto" && "$moto/bin/pip" -q install "moto[s3,server]==$version"; }; then
      rm -rf "$moto"
      echo "warning: moto $version cannot be installed; S3 is not tested" >&2
    fi
  else
    echo "warning: there is no python3 for moto; S3 is not tested" >&2
  fi
fi
# Only the release profile, so that DuckDB is compiled once.
exec cargo test --release --locked "$@"
