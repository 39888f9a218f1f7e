"""The configuration: checked against its schema and its own cross references, with one sentence per mistake."""

import os
from glob import glob

import yaml

from ..errors import InputError
from ..images.axes import channels_of
from .classes import check_classes, check_recipe, check_truth
from .recipes import (
    ENTRIES,
    architecture_of,
    check_model,
    check_neighbours,
    check_origin,
    completed_recipe,
    is_auto,
)
from .schema import completed, known, listed

# Which entry names which: section, key in its entries, section that must hold the name.
REFERENCES = (
    ("datasets", "segmentation", "segmentation"),
    ("datasets", "metrics", "metrics"),
    ("volumes", "segmentation", "segmentation"),
    ("augmentations", "weights", "weights"),
    ("models", "prediction", "prediction"),
)
# By format; kept here, so that reading the configuration need not import readers; a test compares them with these.
READER_OPTIONS = {
    "isbi2012": (),
    "ctc": ("margin", "sequences", "silver"),
    "folder": ("images", "labels", "suffix", "axes", "channel"),
    "volume": ("files", "images", "labels", "axes", "channel", "annotated"),
    "generated": ("kind", "slices", "size", "cells", "seed"),
}
TELLING = ("folder", "volume")  # formats whose files may say how large voxels are


def presets(name, folder):
    """Paths of the YAML files of the preset ``name`` in ``folder``, and before each what it rests on by its own key
    ``preset``; an empty list for None. Raises InputError if one doesn't exist."""
    files = []
    while name:
        file = folder / f"{name}.yaml"
        if not file.is_file():
            known("preset", name, sorted(found.stem for found in folder.glob("*.yaml")))
        files.insert(0, str(file))
        name = yaml.safe_load(file.read_text()).get("preset")
    return files


def checked(config, schema):
    """``config`` with all defaults of ``schema`` filled in. Raises InputError for the first mistake found."""
    config = completed(with_auto(config), schema)
    check_references(config)
    return config


def with_auto(config):
    """``config`` with the entries that `training: auto` names, of which a job finds what follows from the data, under
    what it says of them itself."""
    for name, default in ENTRIES.items():
        entries = config.get(name, {})
        said = entries.get("auto", {}) if isinstance(entries, dict) else None
        if isinstance(said, dict):  # all else the schema refuses
            config = config | {name: entries | {"auto": default | said}}
    return config


def check_references(config):
    """Raise InputError if something names an entry that is missing or unfit, or if a data set has no source."""
    for section, key, target in REFERENCES:
        for name, entry in config[section].items():
            known(f"{section}/{name}/{key}", entry[key], config[target])
    for name, dataset in config["datasets"].items():
        if dataset["voxel_size"] is None and dataset["format"] not in TELLING:
            raise InputError(f"config: datasets/{name} lacks the key 'voxel_size'; add it (its files don't say it)")
        if dataset["format"] != "generated" and not (dataset["path"] or dataset["download"]):
            raise InputError(f"config: datasets/{name} has neither path nor download; say where its files are")
        if unfit := [option for option in dataset["options"] if option not in READER_OPTIONS[dataset["format"]]]:
            raise InputError(
                f"config: datasets/{name}/options has {unfit[0]!r}, which the format {dataset['format']} doesn't take; "
                f"take it out"
            )
        if dataset["format"] == "volume" and isinstance(dataset["options"].get("images"), list):
            raise InputError(
                f"config: datasets/{name}/options/images is a list, but the image of a volume is one array; name it, "
                f"and its channels with the option channel"
            )
        check_classes(f"datasets/{name}", dataset)
        check_channels(f"datasets/{name}/options", "images", *map(dataset["options"].get, ("images", "channel")))
    for name in config["models"]:
        check_origin(config, name)
    for index, run in enumerate(config["runs"]):
        check_run(config, index, run)
    check_volumes(config)
    check_report(config)
    wanted = {model for run in config["runs"] for model in run["models"]}
    for name, model in config["models"].items():
        if name in wanted or not is_auto(model):  # what is not run need not fit the deepest network
            check_model(config, name)


def check_report(config):
    """Raise InputError if the report names a data set or recipe that isn't there."""
    for table in ("table1", "table2"):
        for name in config["report"][table]:
            known(f"report/{table}", name, config["datasets"])
    if config["report"]["reference"] is not None:
        known("report/reference", config["report"]["reference"], config["models"])
    for index, claim in enumerate(config["report"]["claims"]):
        for side in ("better", "worse"):
            known(f"report/claims/{index}/{side}", claim[side], config["models"])


def check_run(config, index, run):
    """Raise InputError if a run names a data set, model, fold or volume that isn't there, or lacks what it needs."""
    for model in run["models"]:
        known(f"runs/{index}/models", model, config["models"])
    for volume in run["volumes"]:
        known(f"runs/{index}/volumes", volume, config["volumes"])
    files = [model for model in run["models"] if config["models"][model]["file"]]
    if len(files) == len(run["models"]) and run["dataset"] is None and run["volumes"]:
        return
    if files:
        raise InputError(
            f"config: runs/{index} has the model {files[0]}, which comes from a file; give such models a run without "
            f"dataset and recipes, and name volumes to apply them to"
        )
    for key in ("dataset", "folds"):
        if not run[key]:
            raise InputError(f"config: runs/{index} lacks the key {key!r}; add it, since its models are to be trained")
    known(f"runs/{index}/dataset", run["dataset"], config["datasets"])
    dataset = config["datasets"][run["dataset"]]
    for model in run["models"]:
        recipe = completed_recipe(config["models"], model)
        check_recipe(config, recipe, run["dataset"])
        check_neighbours(config, recipe, run["dataset"])
    check_folds(config, index, run, dataset["split"])
    if run["volumes"] and len(run["folds"]) > 1:
        raise InputError(
            f"config: runs/{index} applies models to volumes, but trains them on folds {run['folds']}; name the one "
            f"fold whose models are to be applied (or 'all'), and the others in a run without volumes"
        )
    if "all" in run["folds"] and not run["volumes"] and dataset["format"] != "isbi2012":
        raise InputError(
            f"config: runs/{index}/folds names fold 'all', but only isbi2012 data sets have official test images to "
            f"predict; name numbered folds"
        )


def check_folds(config, index, run, split):
    """Raise InputError if a run names a fold that ``split`` doesn't make, or tests an ensemble on what it has seen."""
    named = {f"runs/{index}/folds": [fold for fold in run["folds"] if fold != "all"]}
    for model in run["models"]:
        folds = (config["models"][model]["ensemble"] or {}).get("folds")
        if folds and run["folds"] != ["all"]:
            raise InputError(
                f"config: runs/{index} has folds {run['folds']}, but the members of {model} have seen the slices of "
                f"all folds; give it a run with folds: [all]"
            )
        named[f"models/{model}/ensemble/folds"] = folds or []
    for key, folds in named.items():
        if split["method"] != "groups" and max(folds, default=0) >= split["folds"]:
            raise InputError(
                f"config: {key} names fold {max(folds)}, but {run['dataset']} has folds 0 to {split['folds'] - 1}; "
                f"change one of them"
            )


def check_volumes(config):
    """Raise InputError if two runs would write the same prediction of a volume, or if a local volume isn't there."""
    wanted = {}
    for run in config["runs"]:
        for volume in run["volumes"]:
            for model in run["models"]:
                training = (run["dataset"], *run["folds"][:1])
                if wanted.setdefault((volume, model), training) != training:
                    raise InputError(
                        f"config: runs apply {model} to the volume {volume} both from {wanted[volume, model]} and from "
                        f"{training}; keep one, or give the recipe two names"
                    )
    for (volume, model), (dataset, *_) in wanted.items():
        check_volume(config, volume, model, dataset)


def check_volume(config, volume, model, dataset):
    """Raise InputError if a local volume isn't there, or if something that only data sets have is asked of it.

    dataset : name of the data set that the model is trained on, or None.
    """
    entry = config["volumes"][volume]
    if entry["truth"]:
        check_classes(f"volumes/{volume}/truth", entry["truth"])
        check_truth(config, volume, model, dataset)
    check_channels(f"volumes/{volume}", "path", entry["path"], entry["channel"])
    architecture = architecture_of(config, completed_recipe(config["models"], model), dataset)
    expected = architecture.get("in_channels", 1) // (2 * architecture.get("neighbours", 0) + 1)
    given = len(channels_of(entry["path"], entry["channel"]))
    if given != expected:
        raise InputError(
            f"config: the number of channels that {model} sees is {expected}, but {given} of volumes/{volume} would be "
            f"read; name those on which it was trained, in that order, by channel, or by path if each has its own file"
        )
    places = [("path", path) for path in listed(entry["path"])]
    for key, path in [*places, *([("truth/path", entry["truth"]["path"])] if entry["truth"] else [])]:
        if not made_here_or_remote(path) and not glob(path):
            raise InputError(f"config: volumes/{volume}/{key} is {path!r}, which does not exist; correct it")
    trained_with = config["datasets"][dataset]["segmentation"] if dataset else None
    if config["segmentation"][entry["segmentation"]]["choose"] and entry["segmentation"] != trained_with:
        raise InputError(
            f"config: segmentation/{entry['segmentation']}/choose needs labelled slices to choose on, but the volume "
            f"{volume} uses that entry and the data set of {model} doesn't; give both the same, or the volume one with "
            f"fixed values"
        )
    prediction = config["models"][model]["prediction"]
    if config["prediction"][prediction]["border"] != "mirror":
        raise InputError(
            f"config: prediction/{prediction}/border is 'zero', but {model} is applied to the volume {volume}, and "
            f"volumes are always mirrored; give the model another prediction entry"
        )


def check_channels(where, key, place, channel):
    """Raise InputError if the files of each channel are named, and channels in them too."""
    if isinstance(place, list) and channel is not None:
        raise InputError(
            f"config: {where} has a list of {len(place)} for {key}, which are a channel each, and channel {channel}; "
            f"take one of them out"
        )


def made_here_or_remote(path):
    """Whether a volume's path can't be looked at before the run: a result of the pipeline's own, or a URL; whether one
    of them can't, if it is a list."""
    return any(one.startswith("results/") or "://" in one for one in listed(path))


def gpu_of_jobs(limit):
    """How many GPUs a job that can use one asks for: 0 if that is ``limit`` (of ``--resources gpu=``), else 1.

    The jobs of a cluster don't hear of that option, but they get the environment of the Snakemake that submits them.
    """
    if limit == 0:
        os.environ["UNETFLOW_NO_GPU"] = "1"
    return 0 if os.environ.get("UNETFLOW_NO_GPU") else 1
