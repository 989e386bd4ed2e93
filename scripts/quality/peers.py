#!/usr/bin/env python3
"""Peers from PyPI on a folder with costs.csv, judged causally: writes FOLDER/PEER.csv in the form that the scorers read.

    peers.py prophet|iforest FOLDER [--refit DAYS]

Each peer is fitted anew every --refit days on all days before, days without a charge counting 0, and scores the days until the
next fit. A score is in units of the peer's own threshold: 1.0 is flagged. The dollar floors are those of the program's defaults.
"""

import argparse
import csv
import datetime as dt
import logging
import os
import warnings

import numpy as np
import pandas as pd

FIRST_FIT = 28
MIN_IMPACT, MIN_SHARE = 2.0, 0.1


def prophet(history, dates, ahead):
    from prophet import Prophet

    logging.getLogger("cmdstanpy").disabled = True
    logging.getLogger("prophet").setLevel(logging.ERROR)
    model = Prophet(interval_width=0.99, daily_seasonality=False, uncertainty_samples=200)
    model.fit(pd.DataFrame({"ds": dates[: len(history)], "y": history}))
    forecast = model.predict(pd.DataFrame({"ds": ahead}))
    return forecast["yhat"].to_numpy(), (forecast["yhat_upper"] - forecast["yhat_lower"]).to_numpy() / 2


def features(values):
    """A day against the week before it and the same weekday a week ago."""
    past = pd.Series(values)
    mean = past.shift(1).rolling(7, min_periods=3).mean()
    return np.nan_to_num(np.column_stack([past, past - past.shift(1), past - past.shift(7), past - mean]))


def iforest(history, ahead):
    from pyod.models.iforest import IForest

    model = IForest(contamination=0.02, random_state=0).fit(features(history)[7:])
    return model.decision_function(features(np.concatenate([history, ahead]))[len(history) :]), model.threshold_


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("peer", choices=["prophet", "iforest"])
    parser.add_argument("folder")
    parser.add_argument("--refit", type=int, default=14)
    arguments = parser.parse_args()
    warnings.filterwarnings("ignore")
    costs = pd.read_csv(os.path.join(arguments.folder, "costs.csv"), dtype={"account": str})
    last = costs.date.max()
    with open(os.path.join(arguments.folder, arguments.peer + ".csv"), "w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow("date,account,service,region,score,flag,direction".split(","))
        for key, own in costs.groupby(["account", "service", "region"]):
            days = pd.date_range(own.date.min(), last)
            values = own.set_index(pd.to_datetime(own.date)).cost.reindex(days).fillna(0.0).to_numpy()
            for fit in range(FIRST_FIT, len(values), arguments.refit):
                until = min(fit + arguments.refit, len(values))
                actual = values[fit:until]
                if arguments.peer == "prophet":
                    expected, width = prophet(values[:fit], days, days[fit:until])
                    score = (actual - expected) / np.maximum(width, 1e-6 + 0.01 * np.abs(expected))
                else:
                    expected = np.array([np.median(values[max(0, day - 28) : day]) for day in range(fit, until)])
                    raw, cut = iforest(values[:fit], actual)
                    # The decision function is around its threshold; a ratio would flip its sign.
                    score = np.exp((raw - cut) * 10) * np.sign(actual - expected)
                gap = np.abs(actual - expected)
                flags = (np.abs(score) >= 1) & (gap >= MIN_IMPACT) & (gap >= MIN_SHARE * np.abs(expected))
                for day, value, flag in zip(days[fit:until], score, flags):
                    row = [day.date(), *key, "%.4f" % abs(value), flag, "down" if value < 0 else "up"]
                    writer.writerow(row)


if __name__ == "__main__":
    main()
