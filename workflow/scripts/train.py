"""Train one network on the chunks of a fold."""

import os
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
import torch
import zarr
from unetflow import files, jobs
from unetflow.datasets.stacks import Samples, Volume, read_split
from unetflow.errors import InputError
from unetflow.experiment.found import architecture_found, followed
from unetflow.inference import predict
from unetflow.metrics.overlap import iou
from unetflow.models import build
from unetflow.quantisation import watch
from unetflow.sharing import modelfile
from unetflow.training.fit import Training, take_part
from unetflow.training.losses import LOSSES
from unetflow.training.recipe import Recipe
from unetflow.training.team import together

WATCHED = 8  # steps whose samples tell how far values reach in a network


@dataclass(frozen=True)
class Inputs:
    """Files that training reads; ``init`` is a model file to start from, or None."""

    chunks: list
    volume: str
    splits: str
    targets: str
    init: str | None

    def paths(self):
        return [Path(path) for path in (*self.chunks, self.volume, self.splits, self.targets, self.init) if path]


def train(inputs, folder, curves, description, training, device, gpus=1):
    """Train, and write the model files and the history of losses into ``folder``.

    model.safetensors, best.safetensors : the weights that prediction uses (the recipe's ``keep``) and the best on the
        validation slices (the last, where there are none); a JSON of the same name beside each.
    history.csv : step, loss, learning_rate and, where the fold has validation slices, validation_loss and _iou.
    curves : folder for TensorBoard.
    description : dict of what goes into the JSON: architecture, dataset, fold, seed, code.
    gpus : how many processes train together, each on a device like ``device``.
    training : the `training` entry of the configuration. The work goes on from an interrupted run's checkpoint.
    """
    recipe, volume, folder = Recipe(**training), Volume(inputs.volume), Path(folder)
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")  # cuBLAS is deterministic only with this
    torch.use_deterministic_algorithms(recipe.deterministic)
    torch.utils.deterministic.fill_uninitialized_memory = False  # nothing here reads what it has not written
    torch.manual_seed(description["seed"])
    network = starting_network(description["architecture"], inputs.init)
    normalisation = modelfile.description_of(volume.normalisation)
    description |= {"device": device, "normalisation": normalisation, "training": training}
    key = files.fingerprint(description, torch.get_num_threads(), *inputs.paths())
    with jobs.state_folder(folder / "model.safetensors", key) as state:
        samples, checkpoint = Samples(inputs.chunks), state / "checkpoint.safetensors"
        validation = read_split(inputs.splits, description["fold"])["validation"]
        how = network, recipe, description["seed"], device
        with together(gpus, device, state, take_part, *how, samples, checkpoint):
            run = Training(*how)
            run.run(
                samples,
                lambda averaged: validate(averaged, volume, inputs.targets, validation),
                checkpoint,
                Reporter(recipe.steps, curves),
            )
        jobs.log.info(f"{run.idle_share:.1%} of the time of the steps was spent waiting for samples")
        for name, weights in (("model", run.best if recipe.keep == "best" else run.average), ("best", run.best)):
            modelfile.save(state / f"{name}.safetensors", finished(run, weights, samples).state_dict(), description)
            for file in (f"{name}.json", f"{name}.safetensors"):
                files.publish(state / file, folder / file)
        pd.DataFrame(run.history).to_csv(folder / "history.csv", index=False)


def starting_network(architecture, init):
    """A network with fresh weights, or with those of the model file ``init``, which must be of the same network."""
    if init is None:
        return build(**architecture)
    network = modelfile.load(init)
    if network.description["architecture"] != architecture:
        raise InputError(f"{init} is another network than this recipe's; give both the same network and options")
    return network


def validate(network, volume, targets, names):
    """Mean loss and IoU of ``network`` over the validation slices; an empty dict if there are none."""
    network.normalisation = volume.normalisation
    group, rows = zarr.open_group(targets, mode="r"), []
    for name in names:
        height, width = volume.shape(name)
        target, weight = (group[kind][volume.index[name], :height, :width] for kind in ("target", "weight"))
        probability = predict(network, volume.image(name, network.neighbours), moments=volume.moments(name))
        logits = torch.from_numpy(probability).clamp(min=1e-12).log()[None]
        loss = LOSSES["weighted_cross_entropy"](logits, *(torch.from_numpy(a)[None] for a in (target, weight)))
        rows.append((float(loss), iou(volume.labels(name), probability[1:].sum(axis=0))))
    return dict(pd.DataFrame(rows, columns=["validation_loss", "validation_iou"]).mean()) if rows else {}


def finished(run, weights, samples):
    """The network of a `Training` with these ``weights``, in which is noted how far values reach on some samples."""
    network, batches = run.averaged(), run.batches(samples)
    network.load_state_dict(weights)
    images = (batches[step][0].to(run.device) for step in range(WATCHED))
    watch(network, (image.reshape(len(image), -1, *image.shape[-2:]) for image in images))
    return network


class Reporter:
    """Progress on the terminal and in the log, curves for TensorBoard."""

    def __init__(self, steps, curves):
        from torch.utils.tensorboard import SummaryWriter

        self.progress, self.writer, self.began = jobs.Progress(steps, "step"), SummaryWriter(curves), False

    def __call__(self, step, seen):
        if not self.began and step > 1:
            jobs.log.info(f"going on from step {step - 1}, which an interrupted run had saved")
        self.began = True
        if isinstance(seen, dict):
            jobs.log.info(f"step {step}: " + ", ".join(f"{k} {v:.4g}" for k, v in seen.items() if k != "step"))
            for name, value in seen.items():
                self.writer.add_scalar(name, value, step)
            self.writer.flush()
        else:
            self.progress(step, f", loss {seen:.4f}")


if __name__ == "__main__":
    with jobs.job(snakemake):
        found = snakemake.input.recipe
        description = snakemake.params.description | {"code": snakemake.params.code}
        description["architecture"] = architecture_found(description["architecture"], found)
        train(
            inputs=Inputs(
                chunks=snakemake.input.chunks,
                volume=snakemake.input.volume,
                splits=snakemake.input.splits,
                targets=snakemake.input.targets,
                init=(snakemake.input.get("init") or [None])[0],
            ),
            folder=Path(snakemake.output.model).parent,
            curves=snakemake.log[0].removesuffix(".log"),
            description=description,
            training=followed(snakemake.params.training, found, "training"),
            device=jobs.device(snakemake.resources.get("gpu", 0), snakemake.threads),
            gpus=max(1, snakemake.resources.get("gpu", 0)),
        )
