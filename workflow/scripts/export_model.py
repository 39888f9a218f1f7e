"""A trained model for other programs: package of the BioImage Model Zoo, ONNX, exported program, model card."""

import re
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import pandas as pd
from unetflow import files, jobs
from unetflow.datasets.stacks import Volume, read_split
from unetflow.errors import InputError
from unetflow.sharing import exchange, modelfile
from unetflow.sharing.card import card
from unetflow.tiles import read_window

SHOWN = 256  # pixels per side of the output that a package is tested with


@dataclass(frozen=True)
class Inputs:
    """What a model came from; ``metrics`` is None for a model that was not tested."""

    model: str
    volume: str
    splits: str
    metrics: str | None


def export_model(inputs, outputs, ids, about):
    """Write the package (.zip), the ONNX file, the exported program (.pt2) and the card (README.md).

    outputs : the paths of these. ids : dict with dataset, fold, model. about : the `export` entry of the configuration.
    Raises InputError where that lacks what a package must say.
    """
    check(about)
    network, volume = modelfile.load(inputs.model), Volume(inputs.volume)
    split = read_split(inputs.splits, ids["fold"])
    voxel = tuple(volume.meta["voxel_size"][1:]), volume.meta["unit"]
    name = f"{ids['model']} for {ids['dataset']} fold {ids['fold']}"
    data, metrics = learned_from(ids["dataset"], split), measured(inputs.metrics)
    text = card(name, network, voxel, data, metrics, about)
    about = {key: about[key] for key in ("license", "authors")} | {
        "name": re.sub(r"[^A-Za-z0-9_ -]", " ", name),
        "description": f"Membranes or cells in two-dimensional images like those of {ids['dataset']}",
        "tags": [
            "unetflow",
            ids["dataset"],
            network.description["architecture"]["name"],
            "semantic-segmentation",
            "2d",
        ],
        "voxel": voxel,
    }
    with jobs.made_whole(outputs["package"]) as path, TemporaryDirectory() as room:
        folder = Path(room)
        (folder / "README.md").write_text(text)
        modelfile.save(folder / "model.safetensors", network.state_dict(), network.description)
        exchange.write_torch_export(network, folder / "model.pt2")
        exchange.write_package(network, typical(network, volume, split), about, folder, path)
        for key, file in (("onnx", "model.onnx"), ("program", "model.pt2"), ("card", "README.md")):
            files.publish(folder / file, outputs[key])


def check(about):
    """Raise InputError where the `export` entry lacks what a package must say, or says what the zoo doesn't know."""
    from bioimageio.spec.generic.v0_3 import Author, LicenseId
    from pydantic import TypeAdapter, ValidationError

    known = {"license": (LicenseId, "CC-BY-4.0"), "authors": (list[Author], "[{name: Ada Lovelace}]")}
    for key, (kind, example) in known.items():
        if not about[key]:
            raise InputError(
                f"config: export lacks the key {key!r}, which a model package must name; add {key}: {example}"
            )
        try:
            TypeAdapter(kind).validate_python(about[key])
        except ValidationError as error:
            raise InputError(
                f"config: export/{key} is {about[key]!r}, which the BioImage Model Zoo doesn't know; give it as in "
                f"{key}: {example}"
            ) from error


def learned_from(dataset, split):
    """A sentence about the training data."""
    watched = f", with {len(split['validation'])} more to watch the training" if split["validation"] else ""
    return f"{len(split['train'])} annotated slices of the data set `{dataset}`{watched}."


def measured(metrics):
    """dict metric -> value over all test slices."""
    if metrics is None:
        return {}
    table = pd.read_csv(metrics)
    return dict(table[table["image"] == "all"][["metric", "value"]].itertuples(index=False))


def typical(network, volume, split):
    """The middle of a slice that it was not trained on, or of its first: number[..., y, x], of a valid shape."""
    image = volume.image([*split["test"], *split["train"]][0], network.neighbours)
    shape = network.valid_shape([min(n, SHOWN) + 2 * network.context for n in image.shape[-2:]])
    return read_window(image, [(n - m) // 2 for n, m in zip(image.shape[-2:], shape)], shape)


if __name__ == "__main__":
    with jobs.job(snakemake):
        export_model(
            inputs=Inputs(
                model=snakemake.input.model,
                volume=snakemake.input.volume,
                splits=snakemake.input.splits,
                metrics=(snakemake.input.get("metrics") or [None])[0],
            ),
            outputs=dict(snakemake.output.items()),
            ids=snakemake.params.ids,
            about=snakemake.params.about,
        )
        jobs.log.info(f"Package: {snakemake.output.package}")
