#!/usr/bin/env python3
"""How soon the MCP server answers, and what it adds to a call.

    bench_mcp.py PROGRAM DATABASE [AS_OF]

Medians: from the start of the process to its first answer; a call of each of some tools over stdin and stdout, beside what the
operation itself took (the program's own log) and the same as a command of its own.
"""

import json
import statistics
import subprocess
import sys
import time

program, database = sys.argv[1:3]
as_of = sys.argv[3] if len(sys.argv) > 3 else None
arguments = ["--db", database] + (["--as-of", as_of] if as_of else [])


class Client:
    def __init__(self, log=subprocess.DEVNULL):
        self.begun = time.perf_counter()
        command = [program, "mcp", *arguments, "-v", "--log-format", "json"]
        self.child = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log, text=True)
        self.count = 0
        hello = {"protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": {"name": "bench", "version": "1"}}
        self.ask("initialize", hello)
        self.first = time.perf_counter() - self.begun
        self.write({"jsonrpc": "2.0", "method": "notifications/initialized"})

    def write(self, message):
        self.child.stdin.write(json.dumps(message) + "\n")
        self.child.stdin.flush()

    def ask(self, method, params):
        self.count += 1
        self.write({"jsonrpc": "2.0", "id": self.count, "method": method, "params": params})
        while True:
            answer = json.loads(self.child.stdout.readline())
            if answer.get("id") == self.count:
                return answer

    def call(self, name, given):
        begun = time.perf_counter()
        answer = self.ask("tools/call", {"name": name, "arguments": given})
        assert not answer["result"].get("isError"), answer
        return time.perf_counter() - begun, answer["result"]

    def end(self):
        self.child.stdin.close()
        self.child.wait()


def ms(seconds):
    return f"{1000 * statistics.median(seconds):.1f} ms"


starts, first_calls = [], []
for _ in range(20):
    client = Client()
    starts.append(client.first)
    client.ask("tools/list", {})
    client.call("list_values", {"dimension": "service"})
    first_calls.append(time.perf_counter() - client.begun)
    client.end()
print(f"start to the first answer: {ms(starts)}; to the first answer of a tool: {ms(first_calls)}")
for name, operation, given, command in [
    ("list_values", "values", {"dimension": "service"}, ["values", "service", "--top", "1000"]),
    ("get_cost_trend", "trends", {"days": 30}, ["trends", "--days", "30"]),
    ("compare_periods", "compare", {}, ["compare"]),
    ("explain_cost", "explain", {"service": "AmazonEC2"}, ["explain", "--service", "AmazonEC2"]),
    ("run_sql", "sql", {"query": "SELECT count(*) AS lines FROM cost_line_items"}, ["sql", "SELECT count(*) FROM cost_line_items"]),
]:
    client = Client(log=subprocess.PIPE)
    client.call(name, given)
    times, size = [], 0
    for _ in range(30):
        took, result = client.call(name, given)
        times.append(took)
        size = len(json.dumps(result["structuredContent"])) + len(result["content"][0]["text"])
    client.end()
    events = [json.loads(line) for line in client.child.stderr if line.startswith("{")]
    own = [event["ms"] / 1000 for event in events if event.get("operation") == operation][1:]
    shell = []
    for _ in range(10):
        begun = time.perf_counter()
        own_arguments = arguments[:2] if command[0] == "sql" else arguments
        line = [program, *command, *own_arguments, "--quiet", "--format", "json"]
        subprocess.run(line, check=True, stdout=subprocess.DEVNULL)
        shell.append(time.perf_counter() - begun)
    added = statistics.median(times) - statistics.median(own)
    print(f"{name}: {ms(times)}, of which the operation {ms(own)}, added {1000 * added:.1f} ms; as a command {ms(shell)}; {size} bytes")
