"""Trials of `ingest` from S3 against moto: kill -9 at random moments, and how far fetching and loading overlap.

Usage: $CARGO_TARGET_DIR/moto/bin/python scripts/s3_trials.py kill [ROUNDS] | overlap
Figures: docs/BENCHMARKS.md. `scripts/test.sh` installs moto.
"""

import concurrent.futures
import os
import random
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

import boto3
from moto.server import ThreadedMotoServer

ROOT = Path(__file__).resolve().parent.parent
PROGRAM = Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target")) / "release/aws-cost-anomalies"
TODAY = "2026-03-16"
BUCKET = "acme-billing"
PERIODS = "SELECT data_source, billing_period, count(*) AS n, sum(unblended_cost)::DECIMAL(20, 4) AS cost FROM cost_line_items GROUP BY ALL ORDER BY ALL"


def program(*arguments, cwd, check=True, env=None):
    done = subprocess.run([PROGRAM, *arguments], cwd=cwd, env=env, capture_output=True, text=True)
    if check and done.returncode:
        sys.exit(f"{arguments}: {done.stdout}{done.stderr}")
    return done


def environment(endpoint, home):
    return {
        "AWS_ENDPOINT_URL": endpoint,
        "AWS_ACCESS_KEY_ID": "AKIATRIAL",
        "AWS_SECRET_ACCESS_KEY": "trial",
        "AWS_REGION": "us-east-1",
        "HOME": str(home),
    }


def bucket(work, days, formats, rows=None):
    """A moto server whose bucket holds generated bills; returns its port and a client."""
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    port = server.get_host_and_port()[1]
    client = boto3.client("s3", endpoint_url=f"http://127.0.0.1:{port}", region_name="us-east-1",
                          aws_access_key_id="x", aws_secret_access_key="x")
    client.create_bucket(Bucket=BUCKET)
    for format in formats:
        out = work / format
        more = ["--rows", str(rows)] if rows else []
        program("sample-data", "--out", out, "--format", format, "--days", str(days), "--as-of", "2026-03-15", "--quiet", *more, cwd=work)
        files = sorted((path for path in out.rglob("*") if path.is_file()), key=lambda path: path.suffix == ".json")
        for path in files:
            client.upload_file(str(path), BUCKET, str(path.relative_to(out)),
                               Config=boto3.s3.transfer.TransferConfig(multipart_threshold=1 << 40))
    return port, client


def kill_trials(rounds):
    import logging
    logging.disable(logging.CRITICAL)
    random.seed(7)
    work = Path(tempfile.mkdtemp())
    port, client = bucket(work, 420, ["cur1", "cur2", "focus"])
    env = environment(f"http://127.0.0.1:{port}", work)
    (work / "config.yaml").write_text(f's3: {{ bucket: {BUCKET}, prefix: "" }}\n')
    database = work / "data"

    def periods():
        if not (database / "costs.duckdb").exists():
            return ""
        done = program("sql", PERIODS, "--limit", "1000000", "--format", "csv", "--quiet", cwd=work, check=False)
        return done.stdout if done.returncode == 0 else "" if "holds no bills" in done.stderr else sys.exit(done.stderr)

    begun = time.time()
    program("ingest", "--as-of", TODAY, "--quiet", cwd=work, env=env)
    whole_time = time.time() - begun
    whole = set(periods().splitlines())
    shutil.rmtree(database)
    killed = 0
    seen = set()
    for round in range(rounds):
        # From an empty database, and from one that has all and is told to load it again.
        full = round % 2 == 1
        if not full:
            shutil.rmtree(database, ignore_errors=True)
        arguments = ["ingest", "--as-of", TODAY, "--quiet"] + (["--full-refresh"] if full else [])
        child = subprocess.Popen([PROGRAM, *arguments], cwd=work, env=env, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        time.sleep(random.uniform(0.02, whole_time))
        child.send_signal(signal.SIGKILL)
        killed += child.wait() == -signal.SIGKILL
        found = set(periods().splitlines())
        seen.add(len(found))
        if not found <= whole:
            sys.exit(f"round {round}: a half month: {sorted(found - whole)}")
        if full and found != whole:
            sys.exit(f"round {round}: a lost month: {sorted(whole - found)}")
        done = program("ingest", "--as-of", TODAY, "--quiet", cwd=work, env=env)
        if set(periods().splitlines()) != whole:
            sys.exit(f"round {round}: the next run did not finish: {done.stdout}")
    print(f"{rounds} rounds, {killed} killed while running (a whole run takes {whole_time:.1f} s), {len(whole) - 1} periods; "
          f"after the kill from {min(seen) - 1 if min(seen) else 0} to {max(seen) - 1} whole ones; no half month, none lost, every next run finished")
    shutil.rmtree(work)


def throttled(port, rate):
    """A port that passes on to `port`, answers at `rate` bytes a second in all."""
    listener = socket.create_server(("127.0.0.1", 0))
    lock = threading.Lock()
    state = {"free": time.monotonic()}

    def pump(source, target, slow):
        try:
            while data := source.recv(65536):
                if slow:
                    with lock:
                        state["free"] = max(state["free"], time.monotonic()) + len(data) / rate
                        wait = state["free"] - time.monotonic()
                    if wait > 0:
                        time.sleep(wait)
                target.sendall(data)
        except OSError:
            pass
        for end in (source, target):
            try:
                end.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass

    def accept():
        while True:
            client, _ = listener.accept()
            upstream = socket.create_connection(("127.0.0.1", port))
            threading.Thread(target=pump, args=(client, upstream, False), daemon=True).start()
            threading.Thread(target=pump, args=(upstream, client, True), daemon=True).start()

    threading.Thread(target=accept, daemon=True).start()
    return listener.getsockname()[1]


def overlap_trials():
    import logging
    logging.disable(logging.CRITICAL)
    work = Path(tempfile.mkdtemp())
    # 12 whole months, one file each, and no unfinished one.
    port, client = bucket(work, 379, ["cur2"], rows=3_000_000)
    (work / "config.yaml").write_text(f's3: {{ bucket: {BUCKET}, prefix: "" }}\n')
    months = [f"2025-{month:02}" for month in range(3, 13)] + ["2026-01", "2026-02"]
    dates = [argument for month in months for argument in ("--date", month)]
    keys = [entry["Key"] for page in client.get_paginator("list_objects_v2").paginate(Bucket=BUCKET) for entry in page["Contents"]]
    keys = [key for key in keys if key.endswith(".parquet") and any(f"={month}/" in key for month in months)]
    total = sum(client.head_object(Bucket=BUCKET, Key=key)["ContentLength"] for key in keys)

    def ingest(endpoint_port, *more):
        begun = time.time()
        program("ingest", "--as-of", TODAY, "--quiet", *dates, *more, cwd=work, env=environment(f"http://127.0.0.1:{endpoint_port}", work))
        return time.time() - begun

    ingest(port)
    # Loading alone: all is in the cache.
    load = min(ingest(port, "--full-refresh") for _ in range(2))
    # A network on which fetching takes about as long as loading.
    slow = throttled(port, total / load)
    peer = boto3.client("s3", endpoint_url=f"http://127.0.0.1:{slow}", region_name="us-east-1", aws_access_key_id="x", aws_secret_access_key="x")
    begun = time.time()
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda key: peer.get_object(Bucket=BUCKET, Key=key)["Body"].read(), keys))
    fetch = time.time() - begun
    shutil.rmtree(work / "data")
    both = ingest(slow)
    print(f"{len(keys)} files, {total / 1e6:.0f} MB: loading alone {load:.1f} s, fetching alone (boto3, 8 at a time) {fetch:.1f} s, "
          f"both {both:.1f} s: {both / max(load, fetch):.2f} of the slower, {both / (load + fetch):.2f} of the sum")
    shutil.rmtree(work)


if __name__ == "__main__":
    match sys.argv[1:]:
        case ["kill", *rounds]:
            kill_trials(int(rounds[0]) if rounds else 50)
        case ["overlap"]:
            overlap_trials()
        case _:
            sys.exit(__doc__)
