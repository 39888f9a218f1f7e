"""Class probabilities of a fold's test slices, by overlap tiles."""

from pathlib import Path

import torch
import zarr
from unetflow import files, jobs
from unetflow.datasets.stacks import Volume, read_split
from unetflow.errors import InputError
from unetflow.images.ngff import create_image
from unetflow.inference import predict_as
from unetflow.sharing import modelfile
from unetflow.volumes.shards import channels


def predict_slices(volume, splits, model, prediction, fold, options, device, key):
    """Write ``prediction``, an OME-Zarr float32[channel, z, y, x] of the fold's test slices.

    options : the `prediction` entry of the configuration. key : hash of the code. Slices done by an interrupted run
    are kept if they read back with the checksum that was noted.
    """
    volume, names = Volume(volume), read_split(splits, fold)["test"]
    if not names:
        raise InputError(f"fold {fold} of {volume.path} has no test slices; run one of the numbered folds")
    network = modelfile.load(model, device)
    key = files.fingerprint(key, options, torch.get_num_threads(), device, Path(model), Path(splits))
    with jobs.state_folder(prediction, key) as state:
        store, journal = state / Path(prediction).name, jobs.Journal(state / "done.jsonl")
        array = open_or_create(store, volume, names, channels(network, options | {"store": "float32"}))
        progress = jobs.Progress(len(names), "slice")
        for z, name in enumerate(names):
            height, width = volume.shape(name)
            if not journal.holds(name, array[:, z, :height, :width].tobytes()):
                probability = predict_as(options, network, volume.image(name, network.neighbours), volume.moments(name))
                array[:, z, :height, :width] = probability
                journal.note(name, probability.tobytes())
            progress(z + 1)
        shapes = [{"name": name, "shape": list(volume.shape(name))} for name in names]
        zarr.open_group(store, mode="a").attrs["unetflow"] = {
            "slices": shapes,
            "device": device,
            "model": network.description["weights_sha256"],
        }
        files.publish(store, prediction)


def open_or_create(store, volume, names, kept):
    """The array of an interrupted run, or a new one of the channels ``kept`` (their names)."""
    if (store / "0" / "zarr.json").is_file():
        return zarr.open_group(store, mode="a")["0"]
    canvas = volume.group["0"].shape[-2:]
    shape = (len(kept), len(names), *canvas)
    return create_image(store, shape, "float32", volume.meta["voxel_size"], volume.meta["unit"], kept)


if __name__ == "__main__":
    with jobs.job(snakemake):
        predict_slices(
            volume=snakemake.input.volume,
            splits=snakemake.input.splits,
            model=snakemake.input.model,
            prediction=snakemake.output.prediction,
            fold=snakemake.wildcards.fold,
            options=snakemake.params.prediction,
            device=jobs.device(snakemake.resources.get("gpu", 0), snakemake.threads),
            key=snakemake.params.code,
        )
