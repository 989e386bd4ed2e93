#!/usr/bin/env python3
"""Measures detection and writes the tables of docs/ANOMALIES.md between its marks.

    run.py --binary BIN --evalkit DIR --work DIR [--write docs/ANOMALIES.md] [--peers] [--quick]

Every figure comes from the program itself: costs.csv is ingested, `anomalies --scores` is scored. evalkit's generator and
scorer are not part of this repository; without them only the second generator (second.py) is measured.
"""

import argparse
import concurrent.futures
import csv
import json
import os
import subprocess
import sys

import numpy as np

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, HERE)
import second  # noqa: E402

METHODS = ["robust", "classic", "zscore", "pct-change", "rolling-zscore"]
STEPS = [
    ("week", "weekday factors"),
    ("trend", "trend"),
    ("calibration", "scale from one-step-ahead residuals (without: the spread of the level's days)"),
    ("exclusion", "days of an event stay out of the baseline"),
    ("recurring", "charges that recur by the month"),
    ("intermittent", "intermittent series by their own charges"),
    ("quiet", "days as cheap as the cheapest weekday"),
    ("shift", "lasting changes"),
    ("ranks", "lasting changes by rank"),
    ("floors", "floors in dollars and percent"),
    ("incomplete", "days on which an account's bill is not whole"),
    ("cross-series", "shifts that many series share"),
]


def scores(binary, folder, name, arguments):
    """Runs the program on FOLDER/costs.csv; returns the path of its scores."""
    database = os.path.join(folder, "costs.duckdb")
    quiet = {"stdout": subprocess.DEVNULL, "check": True}
    if not os.path.exists(database):
        subprocess.run([binary, "--db", database, "--quiet", "ingest", os.path.join(folder, "costs.csv")], **quiet)
    with open(os.path.join(folder, "costs.csv")) as file:
        dates = [line.split(",", 1)[0] for line in file][1:]
    out = os.path.join(folder, name + ".csv")
    command = [binary, "--db", database, "--quiet", "anomalies", "--scores", "--format", "csv"]
    command += ["--group-by", "account+service+region", "--as-of", max(dates), "--from", min(dates), *arguments]
    result = subprocess.run(command, capture_output=True, text=True, check=True)
    with open(out, "w") as file:
        # The scorers' word is `flag`.
        header, rest = result.stdout.split("\n", 1)
        file.write(header.replace("flagged", "flag") + "\n" + rest)
    return out


class Evalkit:
    """The scorer of evalkit over several sets, pooled."""

    def __init__(self, folder):
        sys.path.insert(0, folder)
        import common
        import score

        self.folder, self.common, self.score = folder, common, score
        self.loaded = {}

    def generate(self, profile, seed, out):
        if not os.path.exists(os.path.join(out, "costs.csv")):
            command = [sys.executable, os.path.join(self.folder, "gen.py"), "--out", out]
            command += ["--seed", str(seed), "--profile", profile]
            subprocess.run(command, stdout=subprocess.DEVNULL, check=True)

    def one(self, folder, detections):
        if folder not in self.loaded:
            keys, dates, costs = self.common.load_costs(os.path.join(folder, "costs.csv"))
            labels = self.common.load_labels(os.path.join(folder, "labels.csv"), keys, dates)
            self.loaded[folder] = keys, dates, costs, labels
        keys, dates, costs, labels = self.loaded[folder]
        found = self.common.load_detections(detections, keys, dates)
        return self.score.evaluate(found["score"], found["flag"], found["dir"], labels, costs, detail=True)

    def pooled(self, folders, detections):
        results = [self.one(folder, path) for folder, path in zip(folders, detections)]
        total = lambda key: sum(result[key] for result in results)
        events, hits, false = total("events"), total("detected"), total("fp_alerts")
        precision, recall = hits / max(hits + false, 1), hits / events
        delays = [(result["delay_mean"], result["detected"]) for result in results if result["detected"]]
        parts = {}
        for result in results:
            for kind in ("kind", "grade", "dir"):
                for name, (hit, all_) in result["recall_by_" + kind].items():
                    before = parts.get(name, (0, 0))
                    parts[name] = before[0] + hit, before[1] + all_
        causes = {}
        for result in results:
            for name, count in result["fp_by_cause"].items():
                causes[name] = causes.get(name, 0) + count
        return {
            "precision": precision,
            "recall": recall,
            "f1": 2 * precision * recall / max(precision + recall, 1e-9),
            "false": 1000 * false / total("series_days"),
            "dollars": float(np.mean([result["dollar_recall"] for result in results])),
            "delay": sum(mean * count for mean, count in delays) / max(sum(count for _, count in delays), 1),
            "partial": max(result["partial_fp"] or 0 for result in results),
            "parts": parts,
            "causes": causes,
            "events": events,
            "f1s": [result["f1"] for result in results],
        }


def row(name, result):
    figures = "{precision:.3f} | {recall:.3f} | {f1:.3f} | {false:.2f} | {dollars:.3f} | {delay:.2f}".format(**result)
    return "| %s | %s |" % (name, figures)


HEAD = "| %s | precision | recall | F1 | FA | $ recall | delay |\n|---|---|---|---|---|---|---|"


def by_day(folders, files):
    results = [second.score(folder, path) for folder, path in zip(folders, files)]
    return {key: float(np.mean([result[key] for result in results])) for key in results[0]}


def day_row(name, made, real):
    text = "%.3f / %.3f / **%.3f** / %.3f"
    cell = lambda one: "-" if one is None else text % tuple(one[key] for key in ("precision", "recall", "f1", "dollar_recall"))
    return "| %s | %s | %s |" % (name, cell(made), cell(real))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--binary", required=True)
    parser.add_argument("--evalkit", default="")
    parser.add_argument("--work", required=True)
    parser.add_argument("--write")
    parser.add_argument("--peers", default="", help="a python with prophet and pyod")
    parser.add_argument("--seeds", type=int, default=10)
    arguments = parser.parse_args()
    pool = concurrent.futures.ThreadPoolExecutor(2)
    run = lambda folders, name, more: list(pool.map(lambda folder: scores(arguments.binary, folder, name, more), folders))
    tables = {}

    if arguments.evalkit:
        kit = Evalkit(arguments.evalkit)
        sets = {}
        for profile, seeds in (("dev", arguments.seeds), ("noisy", 3), ("calm", 3)):
            sets[profile] = [os.path.join(arguments.work, "%s%d" % (profile, seed)) for seed in range(1, seeds + 1)]
            for seed, folder in enumerate(sets[profile], 1):
                kit.generate(profile, seed, folder)
        lines = [HEAD % "profile, sensitivity"]
        for profile in sets:
            for sensitivity in ("low", "medium", "high"):
                if profile != "dev" and sensitivity != "medium":
                    continue
                files = run(sets[profile], "robust-" + sensitivity, ["--sensitivity", sensitivity])
                result = kit.pooled(sets[profile], files)
                lines.append(row("%s, %s" % (profile, sensitivity), result))
                if profile == "dev" and sensitivity == "medium":
                    whole = result
        tables["robust"] = "\n".join(lines)
        lines = [HEAD % "method"]
        for method in METHODS:
            files = run(sets["dev"], method, ["--method", method])
            lines.append(row(method, kit.pooled(sets["dev"], files)))
        if arguments.peers:
            for peer in ("prophet", "iforest"):
                folder = sets["dev"][0]
                script = os.path.join(HERE, "peers.py")
                path = os.path.join(folder, peer + ".csv")
                if not os.path.exists(path):
                    subprocess.run([arguments.peers, script, peer, folder], check=True, capture_output=True)
                lines.append(row(peer + ", seed 1 only", kit.pooled([folder], [path])))
        tables["methods"] = "\n".join(lines)
        parts = whole["parts"]
        order = ("spike", "drop", "shift", "drift", "easy", "medium", "hard", "up", "down")
        names = [name for name in order if name in parts]
        cells = ["%d of %d (%.0f %%)" % (*parts[name], 100 * parts[name][0] / parts[name][1]) for name in names]
        table = "| " + " | ".join(names) + " |\n|" + "---|" * len(names) + "\n| " + " | ".join(cells) + " |"
        causes = ", ".join("%s %d" % pair for pair in sorted(whole["causes"].items(), key=lambda pair: -pair[1]))
        spread = "F1 by seed from %.3f to %.3f." % (min(whole["f1s"]), max(whole["f1s"]))
        partial = "Alerts on unfinished days: %.0f." % whole["partial"]
        tables["parts"] = "%s\n\nFalse alerts by cause: %s. %s %s" % (table, causes, spread, partial)

    made = [os.path.join(arguments.work, "made%d" % seed) for seed in (1, 2, 3)]
    real = [os.path.join(arguments.work, "real%d" % seed) for seed in (1, 2, 3)]
    for background, folders in (("made", made), ("real", real)):
        for seed, folder in enumerate(folders, 1):
            if not os.path.exists(os.path.join(folder, "costs.csv")):
                second.generate(background, seed, folder)
    lines = ["| method | made: precision / recall / F1 / $ recall | real: the same |\n|---|---|---|"]
    truth = by_day(made, [os.path.join(folder, "truth.csv") for folder in made])
    lines.append(day_row("perfect knowledge of expectation and noise", truth, None))
    for method in METHODS:
        more = ["--method", method]
        lines.append(day_row(method, by_day(made, run(made, method, more)), by_day(real, run(real, method, more))))
    if arguments.peers:
        script = os.path.join(HERE, "peers.py")
        for peer in ("prophet", "iforest"):
            for folder in (made[0], real[0]):
                if not os.path.exists(os.path.join(folder, peer + ".csv")):
                    command = [arguments.peers, script, peer, folder, "--refit", "30"]
                    subprocess.run(command, check=True, capture_output=True)
            files = [[os.path.join(folders[0], peer + ".csv")] for folders in (made, real)]
            lines.append(day_row(peer + ", seed 1 only", by_day(made[:1], files[0]), by_day(real[:1], files[1])))
    tables["second"] = "\n".join(lines)

    lines = ["| without | evalkit dev: P / R / F1 / FA | made: day F1 | real: day F1 |\n|---|---|---|---|"]
    for step, text in [("", "nothing")] + STEPS:
        more = ["--without", step] if step else []
        name = "without-" + step
        if arguments.evalkit:
            result = kit.pooled(sets["dev"][:4], run(sets["dev"][:4], name, more))
            first = "{precision:.3f} / {recall:.3f} / **{f1:.3f}** / {false:.2f}".format(**result)
        else:
            first = "-"
        days = [by_day(folders, run(folders, name, more))["f1"] for folders in (made, real)]
        lines.append("| %s | %s | %.3f | %.3f |" % (text, first, *days))
    tables["ablation"] = "\n".join(lines)

    for name, table in tables.items():
        print("## %s\n\n%s\n" % (name, table))
    if arguments.write:
        with open(arguments.write) as file:
            text = file.read()
        for name, table in tables.items():
            start, end = "<!-- quality:%s -->" % name, "<!-- end -->"
            head, rest = text.split(start, 1)
            text = head + start + "\n" + table + "\n" + end + rest.split(end, 1)[1]
        with open(arguments.write, "w") as file:
            file.write(text)


if __name__ == "__main__":
    main()
