#!/usr/bin/env python3
"""How fast the server answers. `scripts/bench_serve.sh` sets up what it needs.

    bench_serve.py PROGRAM DATABASE AS_OF OHA
"""

import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import threading
import time
import urllib.error
import urllib.request

program, database, as_of, oha = sys.argv[1:5]


class Server:
    def __init__(self):
        command = [program, "--db", database, "serve", "--listen", "127.0.0.1:0", "--as-of", as_of]
        self.child = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
        self.base = self.child.stderr.readline().split()[0].rstrip("/")

    def resident(self):
        """Memory of its own, and pages of the program's file, which the system takes back when it needs them."""
        with open(f"/proc/{self.child.pid}/status") as status:
            lines = dict(line.split(":", 1) for line in status)
        own, file = (int(lines[name].split()[0]) / 1024 for name in ("RssAnon", "RssFile"))
        return f"{own:.0f} MB of its own and {file:.0f} MB of the program's file resident"

    def get(self, path, accept="text/html"):
        request = urllib.request.Request(self.base + path, headers={"accept": accept, "accept-encoding": "gzip"})
        began = time.perf_counter()
        try:
            with urllib.request.urlopen(request, timeout=60) as answer:
                body = answer.read()
                return answer.status, time.perf_counter() - began, len(body), dict(answer.headers)
        except urllib.error.HTTPError as error:
            return error.code, time.perf_counter() - began, 0, dict(error.headers)

    def load(self, path, requests, connections):
        command = [oha, "-n", str(requests), "-c", str(connections), "--no-tui", "--output-format", "json", self.base + path]
        done = json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout)
        return done["latencyPercentiles"]["p95"], done["summary"]["requestsPerSec"], done["statusCodeDistribution"]

    def end(self):
        self.child.terminate()
        self.child.wait()


def ms(seconds):
    return f"{1000 * seconds:.1f} ms"


def percentile(values, share):
    values = sorted(values)
    return values[min(len(values) - 1, int(share * len(values)))]


def cold():
    """Each the first question of a server of its own."""
    for path in ("/", "/incidents", "/explore", "/explore?group_by=account", "/api/v1/overview", "/api/v1/trends?days=60"):
        times = []
        for _ in range(3):
            server = Server()
            status, took, size, _ = server.get(path)
            assert status == 200, (path, status)
            times.append(took)
            server.end()
        print(f"cold {path}: {ms(statistics.median(times))} of {[ms(took) for took in times]}, {size:,} bytes compressed")


def kept():
    server = Server()
    for path in ("/", "/api/v1/trends?days=60", "/api/v1/incidents"):
        server.get(path)
        for connections in (1, 50):
            p95, rate, statuses = server.load(path, 3000, connections)
            print(f"kept {path}, {connections} at once: p95 {ms(p95)}, {rate:,.0f} a second, {statuses}")
    time.sleep(15)
    print(f"idle after that: {server.resident()}")
    server.end()
    server = Server()
    time.sleep(1)
    print(f"idle before any question: {server.resident()}")
    server.end()


def many():
    """Fifty people whose pages ask again and again, and twenty who look at what nobody looked at before."""
    server = Server()
    server.get("/")
    polled, explored, statuses, wrong = [], [], {}, []
    end = time.time() + 20
    lock = threading.Lock()

    def note(into, answer):
        status, took, _, headers = answer
        with lock:
            into.append(took)
            statuses[status] = statuses.get(status, 0) + 1
            if status == 503 and "Retry-After" not in {name.title() for name in headers}:
                wrong.append(status)

    def poll():
        while time.time() < end:
            note(polled, server.get("/"))
            time.sleep(0.5)

    def explore(number):
        dimensions = ["account", "region", "usage-type", "operation", "service"]
        note(explored, server.get(f"/explore?group_by={dimensions[number % 5]}&days={20 + number}"))

    threads = [threading.Thread(target=poll) for _ in range(50)]
    threads += [threading.Thread(target=explore, args=(number,)) for number in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    print(f"50 who poll: p95 {ms(percentile(polled, 0.95))} of {len(polled)}; 20 cold explores: p95 {ms(percentile(explored, 0.95))}, most {ms(max(explored))}; {statuses}, without Retry-After: {len(wrong)}")
    server.end()


def beside_a_writer():
    """How soon an ingestion begins and ends while fifty read, and what they get meanwhile."""
    folder = tempfile.mkdtemp()
    bill = os.path.join(folder, "more.csv")
    with open(bill, "w") as file:
        file.write(f"date,service,cost\n{as_of[:8]}01,Left,10\n{as_of[:8]}01,Right,-10\n")
    alone = time.perf_counter()
    subprocess.run([program, "--db", database, "ingest", bill, "--quiet", "--full-refresh"], check=True, capture_output=True)
    alone = time.perf_counter() - alone
    server = Server()
    done = threading.Event()
    seen = {"fresh": 0, "stale": 0, "503": 0, "torn": 0, "other": 0}
    lock = threading.Lock()

    def read(number):
        turn = 0
        while not done.is_set():
            turn += 1
            path = "/api/v1/trends?days=60&top=100" if number % 2 else f"/api/v1/trends?days={30 + (number * 37 + turn) % 900}"
            request = urllib.request.Request(server.base + path)
            try:
                with urllib.request.urlopen(request, timeout=60) as answer:
                    text = answer.read().decode()
                    kind = "stale" if answer.headers.get("x-stale") else "fresh"
                    if ('"Left"' in text) != ('"Right"' in text):
                        kind = "torn"
            except urllib.error.HTTPError as error:
                kind = "503" if error.code == 503 and error.headers.get("Retry-After") else "other"
            with lock:
                seen[kind] += 1
            time.sleep(0.2)

    threads = [threading.Thread(target=read, args=(number,)) for number in range(50)]
    for thread in threads:
        thread.start()
    time.sleep(3)
    begins = []
    for _ in range(3):
        log = subprocess.Popen(
            [program, "--db", database, "-vv", "--log-format", "json", "ingest", bill, "--full-refresh"],
            stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True,
        )
        began = time.perf_counter()
        for line in log.stderr:
            if "opened the database for writing" in line:
                begins.append(time.perf_counter() - began)
        assert log.wait() == 0, "the ingestion failed"
        time.sleep(1)
    done.set()
    for thread in threads:
        thread.join()
    server.end()
    shutil.rmtree(folder)
    print(f"an ingestion beside 50 readers begins after {[ms(one) for one in begins]} (all of it takes {ms(alone)} alone); meanwhile {seen}")


def beside_streamlit():
    """The page of costs by service and day in a browser, from nothing to its chart; both on the same database."""
    from selenium import webdriver
    from selenium.webdriver.chrome.options import Options
    from selenium.webdriver.chrome.service import Service

    def browser():
        options = Options()
        options.binary_location = shutil.which("chromium")
        for argument in ("--headless=new", "--no-sandbox", "--disable-gpu", "--window-size=1280,900"):
            options.add_argument(argument)
        options.set_capability("goog:loggingPrefs", {"performance": "ALL"})
        return webdriver.Chrome(service=Service(shutil.which("chromedriver")), options=options)

    def shown(url, condition):
        driver = browser()
        began = time.perf_counter()
        driver.get(url)
        while not driver.execute_script(f"return Boolean({condition})"):
            time.sleep(0.02)
        took = time.perf_counter() - began
        received = 0
        for entry in driver.get_log("performance"):
            message = json.loads(entry["message"])["message"]
            if message["method"] == "Network.loadingFinished":
                received += message["params"]["encodedDataLength"]
            if message["method"] == "Network.webSocketFrameReceived":
                received += len(message["params"]["response"]["payloadData"]) * 3 // 4
        driver.quit()
        return took, received

    server = Server()
    server.get("/explore")
    own = [shown(server.base + "/explore", "document.querySelector('figure.plot canvas') && document.querySelector('table')") for _ in range(3)]
    print(f"ours in a browser: {[ms(took) for took, _ in own]}, {own[0][1] / 1000:,.0f} KB; {server.resident()}")
    server.end()
    streamlit = os.path.join(os.path.dirname(sys.executable), "streamlit")
    page = os.path.join(os.path.dirname(os.path.abspath(__file__)), "bench_serve_streamlit.py")
    command = [streamlit, "run", page, "--server.port", "8599", "--server.headless", "true", "--browser.gatherUsageStats", "false"]
    peer = subprocess.Popen(command, env={**os.environ, "BENCH_DATABASE": database}, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    for _ in range(200):
        try:
            urllib.request.urlopen("http://127.0.0.1:8599/_stcore/health", timeout=1)
            break
        except OSError:
            time.sleep(0.1)
    done = "document.querySelector('[data-testid=stVegaLiteChart] canvas, [data-testid=stVegaLiteChart] svg') && document.body.innerText.includes('done')"
    shown("http://127.0.0.1:8599", done)
    theirs = [shown("http://127.0.0.1:8599", done) for _ in range(3)]
    with open(f"/proc/{peer.pid}/status") as status:
        resident = int(next(line for line in status if line.startswith("VmRSS")).split()[1]) / 1024
    print(f"Streamlit in a browser: {[ms(took) for took, _ in theirs]}, {theirs[0][1] / 1000:,.0f} KB; {resident:.0f} MB resident")
    peer.terminate()
    ours, peers = statistics.median(took for took, _ in own), statistics.median(took for took, _ in theirs)
    print(f"ratio of the times: {ours / peers:.2f}")


cold()
kept()
many()
beside_a_writer()
beside_streamlit()
