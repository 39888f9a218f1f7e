"""A page of this machine's browser with images, probabilities and objects of all runs as layers."""

import os
import sys
import threading
import webbrowser
from contextlib import suppress

import zarr
from unetflow import BACKGROUND, BORDER, OBJECT, jobs
from unetflow.datasets.stacks import Volume
from unetflow.images.axes import channels_of
from unetflow.images.ngff import channel_names
from unetflow.predictions import Prediction
from unetflow.report.viewer import Layer, Picked, levels, serve


def scenes(tested, volumes):
    """dict title -> layers.

    tested : rows (title, prepared volume, prediction, segmentation) of test slices. volumes : rows (title, what
    `open_source` takes, prediction, segmentation).
    """
    found = {}
    for title, volume, prediction, segmentation in tested:
        store = Volume(volume)
        numbers = [store.index[name] for name in Prediction(prediction).names]
        spacing = {"voxel_size": store.meta["voxel_size"], "unit": store.meta["unit"]}
        images = {"path": volume, "array": "0", "channel": list(range(store.channels)) if store.channels > 1 else None}
        truth = levels(volume, array="labels/truth/0", **spacing)
        layers = [*shown(images | spacing), Layer("truth", "objects", truth)]
        layers = [Layer(one.name, one.kind, [Picked(level, numbers) for level in one.levels]) for one in layers]
        found[title] = [*layers, *results(prediction, segmentation)]
    for title, volume, prediction, segmentation in volumes:
        found[title] = [*shown(volume), *results(prediction, segmentation)]
    return found


def shown(volume):
    """A layer for each channel of an image that is read; ``volume`` is what `open_source` takes."""
    channels = channels_of(volume["path"], volume.get("channel"))
    if len(channels) == 1:
        return [Layer("image", "image", levels(**volume))]
    return [Layer(f"channel {k}", "image", levels(**volume | {"channel": k})) for k in channels]


def results(prediction, segmentation):
    """The layers of what was found; probabilities are not shown where only the most probable class is kept."""
    kept = channel_names(zarr.open_group(prediction, mode="r"))
    only = "inside" if BORDER in kept else "probability"
    named = [(k, only if name == OBJECT else name) for k, name in enumerate(kept) if name != BACKGROUND]
    shown = [Layer(name, "probability", levels(prediction, channel=k)) for k, name in named]
    return [*shown, Layer("objects", "objects", levels(segmentation))]


if __name__ == "__main__":
    with jobs.job(snakemake):
        address = serve(scenes(snakemake.params.tested, snakemake.params.volumes))
        jobs.log.info(f"Open {address} in a browser of this machine; Ctrl-C ends it")
        if os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY") or sys.platform == "darwin":
            webbrowser.open(address)
        with suppress(KeyboardInterrupt):
            threading.Event().wait()
