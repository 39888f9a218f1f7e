"""Ours against what users would pick instead, side by side in one run; writes results/benchmarks.csv.

Usage: make bench, or make bench ARGS="--only augmentation". Single-thread CPU seconds, both sides in turn, medians of
several rounds. Peers that are packages of their own stand in benchmarks/requirements.txt.
"""

import argparse
import sys
import time
from functools import partial
from itertools import chain
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from scipy.ndimage import distance_transform_edt, gaussian_filter
from scipy.spatial import KDTree
from torch.utils.flop_counter import FlopCounterMode

FOLDER = Path(__file__).parent
sys.path[:0] = [str(FOLDER), str(FOLDER.parent / "workflow/scripts")]

import augmentation  # noqa: E402
import prediction  # noqa: E402
from unetflow import models  # noqa: E402
from unetflow.metrics import isbi2012  # noqa: E402
from unetflow.weights import weight_map  # noqa: E402

ROUNDS, CPU = 5, "s CPU"


def cells(size, count, gap=4, seed=0):
    """Labels int[y, x] of Voronoi cells with ``gap`` pixels of background between them."""
    seeds = np.random.default_rng(seed).uniform(0, size, (count, 2))
    distance, nearest = KDTree(seeds).query(np.moveaxis(np.indices((size, size)), 0, -1), k=2)
    return np.where(distance[..., 1] - distance[..., 0] > gap, nearest[..., 0] + 1, 0)


def usual_weight_map(labels, w0=10.0, sigma=5.0):
    """The usual implementation: one distance transform per cell, all kept, sorted."""
    distances = np.stack([distance_transform_edt(labels != k) for k in np.unique(labels[labels > 0])], axis=-1)
    distances.sort(axis=-1)
    border = w0 * np.exp(-((distances[..., 0] + distances[..., 1]) ** 2) / (2 * sigma**2))
    return np.where(labels == 0, border, 0) + 1


def weight_map_rows():
    for count in (10, 50, 200):
        labels = cells(512, count)
        ours, peer = partial(weight_map, labels, class_balance=False), partial(usual_weight_map, labels)
        assert np.abs(ours() - peer()).max() < 1e-5
        yield (
            f"weight map, 512 x 512, {count} cells",
            *in_turn(ours, peer),
            "one distance transform per cell (SciPy)",
            CPU,
        )


def in_turn(*functions, rounds=ROUNDS):
    """Median CPU seconds of every function, called in turn after one call each to warm up."""
    times = []
    for _ in range(rounds + 1):
        row = []
        for function in functions:
            began = time.process_time()
            function()
            row.append(time.process_time() - began)
        times.append(row)
    return np.median(times[1:], axis=0)


def pixel_classifier_rows():
    """The 2012 network on sliding windows: all windows of 32 x 32 pixels at once, against one after the other."""
    torch.set_num_threads(1)
    network = models.build("sliding_window").eval()
    size = 32 + 2 * network.context
    image = torch.randn(1, 1, size, size)
    windows = image[0, 0].unfold(0, 2 * network.context + 1, 1).unfold(1, 2 * network.context + 1, 1)

    @torch.inference_mode()
    def one_by_one():
        for row in windows:
            network.one_by_one(row[:, None])

    at_once = torch.inference_mode()(lambda: network(image))
    name, peer = "pixel classifier, 32 x 32 pixels", "its windows one by one"
    yield name, *in_turn(at_once, one_by_one, rounds=3), peer, CPU
    yield name, gflop(at_once), gflop(one_by_one), peer, "GFLOP"


def gflop(function):
    """Floating-point operations that a call takes, in 10^9."""
    with FlopCounterMode(display=False) as counter:
        function()
    return counter.get_total_flops() / 1e9


def probability_map(labels, noise, seed=0):
    """A blurred, noisy map of ``labels`` > 0, as a network in training gives."""
    rng = np.random.default_rng(seed)
    blurred = gaussian_filter((labels > 0).astype(float), 2) + noise * gaussian_filter(
        rng.normal(size=labels.shape), 1.5
    )
    return np.clip(blurred, 0, 1)


def warping_rows():
    """The warping error has no peer that could be installed: the reference is Java. Its own reported time on one
    512 x 512 slice (6.0 s for ten thresholds on a noisy map, on another machine) is named as such."""
    labels = cells(512, 150, gap=6)
    probability = probability_map(labels, noise=0.5)
    isbi2012.warping_error(labels, probability)
    began = time.process_time()
    isbi2012.warping_error(labels, probability)
    seconds = time.process_time() - began
    name = "warping error, 512 x 512, 10 thresholds, noisy map"
    yield name, seconds, 6.0, "Fiji's Java reference, time reported on another machine", CPU


THRICE = partial(in_turn, rounds=3)
PARTS = {
    "weights": weight_map_rows,
    "augmentation": partial(augmentation.rows, in_turn),
    "classifier": pixel_classifier_rows,
    "prediction": partial(prediction.rows, THRICE),
    "engines": partial(prediction.engine_rows, THRICE),
    "warping": warping_rows,
}


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--only", choices=PARTS, nargs="+", default=list(PARTS), help="parts to measure; all by default"
    )
    rows = []
    for name, ours, peer, peer_name, unit in chain.from_iterable(PARTS[part]() for part in parser.parse_args().only):
        rows.append((name, ours, peer, peer_name, peer / ours, unit))
        print(f"{name}: {ours:.3g} {unit}, {peer_name}: {peer:.3g}; {peer / ours:.3g} times as much", flush=True)
    (FOLDER.parent / "results").mkdir(exist_ok=True)
    frame = pd.DataFrame(rows, columns=["name", "ours", "peer", "peer_name", "ratio", "unit"])
    frame.to_csv(FOLDER.parent / "results/benchmarks.csv", index=False, float_format="%.4g")


if __name__ == "__main__":
    main()
