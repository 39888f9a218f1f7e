"""Metrics and calibration of one model on the test slices of a fold."""

import pandas as pd
from unetflow import jobs
from unetflow.datasets.stacks import Volume
from unetflow.metrics.calibration import errors_by_spread, reliability
from unetflow.metrics.registry import METRICS, by_class
from unetflow.metrics.slices import truths
from unetflow.predictions import Prediction
from unetflow.report.tables import write_metrics

CALIBRATION = ["dataset", "fold", "model", "seed", "of", "low", "high", "pixels", "mean", "share"]


def evaluate(volume, prediction, segmentation, table, calibration, names, ids):
    """Write ``table``: one row per metric of ``names`` and test slice with truth, and for all of them together ("all").

    Where there are several classes of objects, each has rows of its own (`by_class`), to which all others are
    background.

    calibration : path of another table, a row per bin over all slices: of "probability", with the share of objects; of
    "spread", if it was kept, with the share of wrong pixels. ``ids`` are the values of the columns dataset, fold,
    model, seed. Slices without truth have no rows.
    """
    volume = Volume(volume)
    found = {"probability": Prediction(prediction), "segmentation": Prediction(segmentation)}
    slices = [name for name in found["probability"].names if volume.labels(name) is not None]
    numbers = range(1, len(volume.objects) + 1) if len(volume.objects) > 1 else [None]
    views = {kind: seen(volume, found, slices, number) for kind, number in zip(volume.objects, numbers)}
    rows, progress = [], jobs.Progress(len(names), "metric")
    for number, name in enumerate(names, 1):
        for image, members in [(one, [one]) for one in slices] + [("all", slices)] * bool(slices):
            values = by_class(name, {kind: measured(METRICS[name], *view, members) for kind, view in views.items()})
            rows += [{**ids, "image": image, "metric": metric, "value": value} for metric, value in values.items()]
        progress(number)
    write_metrics(rows, table)
    labels, chances = map(volume.labels, slices), map(found["probability"].foreground, slices)
    bins = calibrated(list(labels), list(chances), spreads(found, slices))
    pd.DataFrame([{**ids, **row} for row in bins], columns=CALIBRATION).to_csv(calibration, index=False)


def seen(volume, found, slices, number):
    """(truth, result), dicts kind -> slice -> array, as metrics of the class ``number`` see them; None: of the one."""
    chance, objects = found["probability"], found["segmentation"]
    kind = volume.objects[number - 1] if number else None
    return truths(volume, slices, number), {
        "probability": {name: chance.channel(kind, name) if kind else chance.foreground(name) for name in slices},
        "segmentation": {name: objects.labels(name, number) for name in slices},
    }


def measured(metric, truth, result, members):
    """Value of a `registry.Metric` over the slices ``members``, of what `seen` returns."""
    first, *others = ([truth[kind][member] for member in members] for kind in metric.truth)
    return metric.function(first, [result[metric.of][member] for member in members], *others)


def spreads(found, slices):
    """List of the spread of every slice; empty where it was not kept."""
    return [one for one in map(found["probability"].spread, slices) if one is not None]


def calibrated(labels, probabilities, spreads):
    """The rows of the calibration table, of lists of slices."""
    yield from ({"of": "probability"} | row for row in reliability(labels, probabilities).rows())
    if spreads:
        yield from ({"of": "spread"} | row for row in errors_by_spread(labels, probabilities, spreads).rows())


if __name__ == "__main__":
    with jobs.job(snakemake):
        evaluate(
            volume=snakemake.input.volume,
            prediction=snakemake.input.prediction,
            segmentation=snakemake.input.segmentation,
            table=snakemake.output.table,
            calibration=snakemake.output.calibration,
            names=snakemake.params.metrics,
            ids=snakemake.params.ids,
        )
