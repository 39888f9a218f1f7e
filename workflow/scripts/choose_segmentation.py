"""Which way of cutting probabilities into objects does best on slices of the training part."""

import json
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import pandas as pd
import torch
from unetflow import files, jobs
from unetflow.datasets.checks import annotated_sizes
from unetflow.datasets.stacks import Volume, read_split
from unetflow.inference import predict_as
from unetflow.metrics.registry import METRICS
from unetflow.metrics.slices import truths
from unetflow.objects import pieces, slice_options, tidied
from unetflow.predictions import Channels
from unetflow.sharing import modelfile

# The order in which options are chosen: with necks first, what is found is as good on other slices as the best of all
# combinations; with the threshold first it was worse (docs/log.md).
ORDER = ("neck", "seed_threshold", "threshold", "fill_holes", "min_size", "grow")
# Slices that are looked at: training slices as well, since a few validation slices choose badly (docs/log.md).
MOST_SLICES = 32
MOST_DROPPED = 0.02  # the share of the annotated objects that ``min_size`` may be above


@dataclass(frozen=True)
class Inputs:
    """Files that the choice is made from."""

    volume: str
    splits: str
    model: str


def choose_segmentation(inputs, chosen, trials, fold, prediction, options, device):
    """Write ``chosen`` (JSON: the options for `objects.segment`) and ``trials`` (CSV: all that were tried, scored).

    Tried on the fold's validation and training slices (`slices_to_look_at`); never on its test slices.
    prediction : the `prediction` entry. options : the `segmentation` entry, whose ``choose`` names the metric and the
    values to try, option by option in `ORDER`, see `climb`. Values of ``min_size`` that would drop objects annotated in
    the training part are not tried, see `without_large_sizes`.
    """
    volume, network = Volume(inputs.volume), modelfile.load(inputs.model, device)
    split = read_split(inputs.splits, fold)
    names = slices_to_look_at(split, volume.meta["slices"])
    metric = options["choose"]["metric"]
    better = 1 if METRICS[metric].best else -1
    seen = ((volume.image(name, network.neighbours), volume.moments(name)) for name in names)
    arrays = (predict_as(prediction, network, *one) for one in seen)
    channels = (Channels(found, network.channels) for found in arrays)
    predicted = [(one.foreground(), {"inside": one.inside(), "classes": one.classes()}) for one in channels]
    truth = truths(volume, names)
    first, *others = (list(truth[kind].values()) for kind in METRICS[metric].truth)
    annotated = [volume.labels(name) for name in split["train"] + split["validation"]]
    among = without_large_sizes(options["choose"]["among"], annotated)

    with ThreadPoolExecutor(torch.get_num_threads()) as pool:  # as many as the job has

        @lru_cache(maxsize=1)  # candidates that differ in the rest follow one another
        def cut(**how):
            return list(pool.map(lambda found: pieces(found[0], **found[1], **how), predicted))

        def score(candidate):
            how = slice_options(options | candidate)
            rest = {key: how.pop(key) for key in ("min_size", "grow") if key in how}
            objects = list(pool.map(lambda labels: tidied(labels, **rest), cut(**how)))
            value = METRICS[metric].function(first, objects, *others)
            jobs.log.info(f"{in_words(candidate)}: {metric} {value:.4g}")
            return better * value

        best, tried = climb({key: among[key] for key in ORDER if key in among}, options, score)
    tried.assign(score=better * tried["score"]).to_csv(trials, index=False)
    files.write_atomically(chosen, json.dumps(slice_options(options | best), indent=2) + "\n")
    jobs.log.info(f"chosen by {len(names)} slices: {in_words(best)}")


def slices_to_look_at(split, slices):
    """Names of all validation slices, and of training slices, spread evenly, up to `MOST_SLICES` in all.

    slices : the entries of `stacks.write_volume`; by silver truth nothing is judged.
    """
    silver = {one["name"] for one in slices if one["part"] == "silver"}
    judged = [name for name in split["train"] if name not in silver]
    count = min(max(0, MOST_SLICES - len(split["validation"])), len(judged))
    return split["validation"] + [judged[k * len(judged) // count] for k in range(count)]


def climb(among, options, score):
    """(best choice of a value for each key of ``among``, frame of all that were tried with their score).

    Coordinate ascent: for each key in turn, its best value with the others as they are, until no key gains any more. It
    starts from the values of ``options`` where these are among them, else from the first. score : function of a choice.
    """
    best = {key: options[key] if options.get(key) in values else values[0] for key, values in among.items()}
    tried = {}

    def scored(choice):
        key = tuple(choice.values())
        if key not in tried:
            tried[key] = score(choice)
        return tried[key]

    before = None
    while best != before:
        before = best
        for key, values in among.items():
            best = max([best, *(best | {key: value} for value in values)], key=scored)
    return best, pd.DataFrame([dict(zip(among, key)) | {"score": value} for key, value in tried.items()])


def in_words(choice):
    return ", ".join(f"{key} {value}" for key, value in choice.items())


def without_large_sizes(among, annotated):
    """``among`` less what `MOST_DROPPED` of the objects in ``annotated`` (int[y, x] each) forbid as ``min_size``.

    A few validation slices may hold no small object, and then favour a size that drops those of other slices. If all
    values are too large, the largest that isn't stands for them. Specks and objects that the slice's border cuts off
    don't count, see `annotated_sizes`.
    """
    sizes, _ = annotated_sizes(annotated)
    if "min_size" not in among or not len(sizes):
        return among
    most = int(np.quantile(sizes, MOST_DROPPED, method="lower"))
    return among | {"min_size": [size for size in among["min_size"] if size <= most] or [most]}


if __name__ == "__main__":
    with jobs.job(snakemake):
        choose_segmentation(
            inputs=Inputs(snakemake.input.volume, snakemake.input.splits, snakemake.input.model),
            chosen=snakemake.output.chosen,
            trials=snakemake.output.trials,
            fold=snakemake.wildcards.fold,
            prediction=snakemake.params.prediction,
            options=snakemake.params.segmentation,
            device=jobs.device(snakemake.resources.get("gpu", 0), snakemake.threads),
        )
