"""The catalogue of bad inputs: what is wrong, and the step that meets it first. docs/errors.md is made from it.

Each case is a function of an empty folder. It lays out what a user might have, and returns the step as a function of
the folder for outputs; that step must end with one sentence and leave nothing behind.
"""

import hashlib
import json
import logging
import pickle
import re
import threading
import zipfile
from contextlib import contextmanager
from copy import deepcopy
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import SimpleNamespace

import h5py
import numpy as np
import tifffile
import torch
import yaml
import zarr
from download import download
from export_model import export_model
from import_model import import_model
from plan_volume import plan_volume
from predict_slab import Inputs as SlabInputs
from predict_slab import predict_slab
from prepare import prepare
from pylibCZIrw.czi import create_czi
from skimage.io import imsave
from train import starting_network
from unetflow import jobs, models
from unetflow.datasets.checks import check_slices
from unetflow.datasets.splits import check as check_splits
from unetflow.datasets.stacks import Slice
from unetflow.engines import OpenVino
from unetflow.experiment import config as configuration
from unetflow.sharing import modelfile, packages
from unetflow.training.fit import Training
from unetflow.training.recipe import Recipe

ROOT = Path(__file__).parents[2]
SCHEMA = yaml.safe_load((ROOT / "workflow/schemas/config.schema.yaml").read_text())
CONFIG = yaml.safe_load((ROOT / "config.yaml").read_text())
CASES = {}  # area -> title -> function of a folder


def case(area, title):
    """Add a function to the catalogue."""

    def add(function):
        assert title not in CASES.setdefault(area, {}), title
        CASES[area][title] = function
        return function

    return add


def outcome(area, title, folder):
    """(exit code, lines of the log, files left among the outputs) of a case, as a job of Snakemake would end.

    folder : an empty one. What differs from run to run, as its path, is taken out of the lines.
    """
    inputs, outputs = folder / "inputs", folder / "outputs"
    inputs.mkdir(), outputs.mkdir()
    step, code = CASES[area][title](inputs), 0
    with only_handlers():
        try:
            with jobs.job(SimpleNamespace(rule="", wildcards=[], log=[str(folder / "log")])):
                step(outputs)
        except SystemExit as ended:
            code = ended.code
    left = [file for file in outputs.rglob("*") if not any(part.startswith(".") for part in file.parts)]
    lines = [re.sub(r"^\[[\d:]+\] +: ", "", line) for line in (folder / "log").read_text().splitlines()]
    return code, [neutral(line, inputs) for line in lines], left


@contextmanager
def only_handlers():
    """No handlers of others while a job sets its own, which are closed behind it."""
    root = logging.getLogger()
    others, root.handlers = root.handlers, []
    try:
        yield
    finally:
        for handler in root.handlers:
            handler.close()
        root.handlers = others


def neutral(line, inputs):
    """A line without what is of this run or machine alone."""
    line = line.replace(f"{inputs}/", "").replace(str(inputs), "the folder").replace(f"{inputs.parent}/", "")
    for pattern, instead in (
        (r"127\.0\.0\.1:\d{4,}", "example.org"),
        (r"0x[0-9a-f]{6,}", "0x..."),
        (r"[0-9a-f]{64}", "..."),
    ):
        line = re.sub(pattern, instead, line)
    return line.replace(f"{ROOT}/", "")


# --- Configuration -------------------------------------------------------------------------------------------------

DROP = object()


def changed(path, value, config=CONFIG):
    """A configuration, by default the default one, with one value changed; `DROP` removes the key."""
    config = deepcopy(config)
    *folders, last = path.split("/")
    place = config
    for folder in folders:
        place = place[int(folder) if isinstance(place, list) else folder]
    key = int(last) if isinstance(place, list) else last
    if value is DROP:
        del place[key]
    else:
        place[key] = value
    return config


SMALL = CONFIG["models"]["small"]
ELASTIC = {"form": "grid", "grid": 3, "sigma": 5}
BROUGHT = {"file": "nowhere/model.zip", "prediction": "paper"}
MISTAKES = {  # title: (path in the configuration, value)
    "section misspelt": ("trainings", {}),
    "section missing, as in another folder than that of config.yaml": ("models", DROP),
    "key misspelt": ("training/paper/learningrate", 1),
    "key missing": ("models/small/network", DROP),
    "text for a number": ("training/quick/steps", "many"),
    "list for a map": ("datasets", []),
    "value out of range": ("training/quick/momentum", 1.5),
    "unknown format": ("datasets/isbi2012/format", "isbi2013"),
    "unknown option of a data set": ("datasets/isbi2012/options", {"sufix": "_mask"}),
    "option of another format": ("datasets/isbi2012/options", {"suffix": "_mask"}),
    "unknown network": ("models/small/network", "unett"),
    "several images of a labelled volume": (
        "datasets/mine",
        {
            **{"format": "volume", "path": "a.h5", "options": {"images": ["a", "b"]}, "voxel_size": [1, 1, 1]},
            **{"split": {"method": "slabs"}, "segmentation": "cells", "metrics": "cells"},
        },
    ),
    "unknown option of a network": ("models/small/options", {"widht": 8}),
    "unknown window": ("models/small", SMALL | {"network": "sliding_window", "options": {"window": 64}}),
    "unknown metric": ("metrics/em", ["rand_eror"]),
    "elastic form without its options": ("augmentations/quick/elastic", {"form": "grid"}),
    "recipe that isn't there": ("models/small/training", "quik"),
    "weights that aren't there": ("augmentations/quick/weights", "papers"),
    "data set that isn't there": ("runs/0/dataset", "isbi"),
    "model that isn't there": ("runs/0/models", ["smal"]),
    "volume that isn't there": ("runs/0/volumes", ["synthetic_vol"]),
    "fold that isn't there": ("runs/0/folds", [3]),
    "zero folds": ("datasets/synthetic_em/split/folds", 0),
    "run without folds": ("runs/0/folds", DROP),
    "data set without a source": ("datasets/isbi2012/download", None),
    "classes of objects with numbers of their own": ("datasets/phc_u373/classes", {"nucleus": 2}),
    "label images of classes that are not named": ("datasets/phc_u373/labels", "classes"),
    "classes of a volume's objects": ("volumes/synthetic_volume/truth/classes", {"nucleus": 2}),
    "voxel size zero": ("datasets/isbi2012/voxel_size", [50, 0, 4]),
    "voxel size negative": ("datasets/isbi2012/voxel_size", [50, -4, 4]),
    "voxel size missing": ("datasets/isbi2012/voxel_size", DROP),
    "voxel size of two numbers": ("datasets/isbi2012/voxel_size", [4, 4]),
    "name with a space": ("models/my model", SMALL),
    "fold 'all' without a use": ("runs/1/folds", ["all"]),
    "path of a volume that doesn't exist": ("volumes/synthetic_volume/path", "nowhere.zarr"),
    "one volume for many folds": ("runs/0/folds", [0, 1]),
    "one volume twice": (
        "runs/1",
        {"dataset": "synthetic_em", "models": ["small"], "folds": [1], "volumes": ["synthetic_volume"]},
    ),
    "files of channels and channels in them": (
        "volumes/synthetic_volume",
        {"path": ["a.tif", "b.tif"], "channel": 0, "segmentation": "em"},
    ),
    "volume of more channels than the network sees": ("volumes/synthetic_volume/channel", [0, 1]),
    "choice of objects without labels": ("volumes/synthetic_volume/segmentation", "chosen"),
    "list for the recipes": ("training", []),
    "automatic recipe with a network": ("models/auto/network", "unet"),
    "volume without mirrored border": ("prediction/paper/border", "zero"),
    "block that shows": ("prediction/paper/block", [8, 1000, 1022]),
    "tile that shows": ("prediction/paper/tile", [380, 384]),
    "sample smaller than the network": ("augmentations/quick/input", 60),
    "output larger than the sample": ("training/quick/output", 200),
    "single pixels that are deformed": ("training/quick", {"steps": 9, "pixels": 64, "elastic": ELASTIC}),
    "model file that isn't there": ("models/brought", BROUGHT),
    "model with file and network": ("models/brought", BROUGHT | {"network": "unet"}),
    "ensemble of nothing": ("models/several", {"ensemble": {"of": "smal"}, "prediction": "paper"}),
    "ensemble of an ensemble": ("models/several", {"ensemble": {"of": "several"}, "prediction": "paper"}),
    "ensemble with a recipe": ("models/several", SMALL | {"ensemble": {"of": "small"}}),
    "ensemble with a file": ("models/brought", BROUGHT | {"ensemble": {"of": "small"}}),
    "ensemble over one fold": ("models/several", {"ensemble": {"of": "small", "folds": [0]}, "prediction": "paper"}),
    "ensemble of one": ("models/several", {"ensemble": {"of": "small", "seeds": [0]}, "prediction": "paper"}),
    "spread without probabilities": ("prediction/paper/store", "argmax"),
}


def checking(config):
    return lambda out: configuration.checked(config, SCHEMA)


for name, (where, what) in MISTAKES.items():
    case("Configuration", name)(lambda folder, where=where, what=what: checking(changed(where, what)))


def with_classes(where, classes, **others):
    """The configuration with ``classes`` in the entry ``where``, and other values by their places."""
    config = changed(f"{where}/labels", "classes")
    for place, value in {f"{where}/classes": classes, **others}.items():
        config = changed(place, value, config)
    return config


@case("Configuration", "class called as something else")
def _(folder):
    return checking(with_classes("datasets/phc_u373", {"border": 1}))


@case("Configuration", "value of two classes")
def _(folder):
    return checking(with_classes("datasets/phc_u373", {"nucleus": 1, "cytoplasm": [2, 1]}))


@case("Configuration", "border class beside several classes")
def _(folder):
    classes = {"nucleus": 1, "cytoplasm": 2}
    return checking(with_classes("datasets/synthetic_em", classes, **{"weights/paper/border_class": 2}))


@case("Configuration", "copied objects of several classes")
def _(folder):
    classes = {"nucleus": 1, "cytoplasm": 2}
    return checking(with_classes("datasets/synthetic_em", classes, **{"augmentations/quick/contacts": 3}))


def with_neighbours(number, **others):
    config = changed("augmentations/quick/neighbours", number)
    for place, value in others.items():
        config = changed(place, value, config)
    return checking(config)


@case("Configuration", "neighbours of slices, but no stack")
def _(folder):
    return with_neighbours(1, **{"runs/0/dataset": "phc_u373"})


@case("Configuration", "neighbours that are test slices")
def _(folder):
    return with_neighbours(2)


@case("Configuration", "neighbours of shuffled slices")
def _(folder):
    return with_neighbours(1, **{"datasets/synthetic_em/split/method": "images"})


@case("Configuration", "truth with a class that the model doesn't know")
def _(folder):
    return checking(with_classes("volumes/synthetic_volume/truth", {"nucleus": 1}))


@case("Configuration", "model from a file in a run that trains")
def _(folder):
    config = changed("runs/0/models", ["small", "brought"])
    config["models"]["brought"] = BROUGHT
    return checking(config)


def with_folds_as_one(folds):
    config = changed("runs/0", {"dataset": "synthetic_em", "models": ["one"], "folds": folds})
    config["models"]["one"] = {"ensemble": {"of": "small", "folds": [0, 1, 7]}, "prediction": "paper"}
    return config


@case("Configuration", "ensemble over folds tested on one of them")
def _(folder):
    return checking(with_folds_as_one([0]))


@case("Configuration", "ensemble over folds that aren't there")
def _(folder):
    return checking(with_folds_as_one(["all"]))


@case("Configuration", "preset misspelt")
def _(folder):
    return lambda out: configuration.presets("ablations", ROOT / "config")


# --- Data sets -----------------------------------------------------------------------------------------------------

ENTRY = {"format": "folder", "options": {}, "voxel_size": [1, 0.5, 0.5], "unit": "micrometer", "labels": "instances"}
ENTRY |= {"classes": None, "ignore": None, "normalisation": "auto", "split": {"method": "images", "folds": 2}}


def grey(*shape, dtype=np.uint8):
    return np.random.default_rng(0).integers(1, 200, shape or (32, 40)).astype(dtype)


def cells(shape=(32, 40)):
    labels = np.zeros(shape, np.uint16)
    labels[3:9, 3:9], labels[12:20, 12:20] = 1, 2
    return labels


def write(path, array):
    colour = array.ndim == 3 and array.shape[-1] == 3
    tifffile.imwrite(path, array, photometric="rgb" if colour else "minisblack")


def pair(folder, name="a", image=None, labels=None):
    """Write an image and its labels; False writes none."""
    for kind, array, usual in (("images", image, grey()), ("labels", labels, cells())):
        (folder / kind).mkdir(parents=True, exist_ok=True)
        if array is not False:
            write(folder / kind / f"{name}.tif", usual if array is None else array)


def preparing(folder, **entry):
    outputs = ("volume.zarr", "splits.json", "checks.csv")
    return lambda out: prepare(folder, *(out / name for name in outputs), ENTRY | entry)


def damaged(name, spoil):
    """A set of two pairs, of which ``spoil`` changes the bytes of one image."""

    def build(folder):
        pair(folder, "a", grey(64, 64), cells((64, 64)))
        pair(folder, "b", grey(64, 64), cells((64, 64)))
        path = folder / name
        path.write_bytes(spoil(path.read_bytes()))
        return preparing(folder)

    return build


case("Data sets", "image cut off")(damaged("images/b.tif", lambda b: b[:100]))
case("Data sets", "empty file")(damaged("images/b.tif", lambda b: b""))
case("Data sets", "another file with the ending of an image")(damaged("images/b.tif", lambda b: b"PK\3\4 no image"))
case("Data sets", "label image cut off")(damaged("labels/b.tif", lambda b: b[: len(b) // 2]))


def spoilt(**arrays):
    """A set of two pairs, the second with other arrays."""

    def build(folder):
        pair(folder, "a")
        pair(folder, "b", **arrays)
        return preparing(folder)

    return build


def several_images(path):
    with tifffile.TiffWriter(path, ome=True) as file:
        for _ in range(2):
            file.write(grey(3, 20, 24), metadata={"axes": "ZYX"}, photometric="minisblack")


def two_scenes(path):
    with create_czi(str(path)) as file:
        for scene in range(2):
            file.write(grey(20, 24), scene=scene, location=(40 * scene, 0))


@case("Data sets", "several images in a file")
def _(folder):
    pair(folder)
    several_images(folder / "images/a.tif")
    return preparing(folder)


@case("Data sets", "several images in the file of a microscope, none with labels")
def _(folder):
    pair(folder)
    two_scenes(folder / "images/day.czi")
    return preparing(folder)


def with_options(folder, **options):
    pair(folder)
    return preparing(folder, options=options)


def with_value(array, value):
    array = array.copy()
    array[5, 5] = value
    return array


case("Data sets", "NaN in an image")(spoilt(image=with_value(grey(dtype=np.float32), np.nan)))
case("Data sets", "infinity in an image")(spoilt(image=with_value(grey(dtype=np.float32), np.inf)))
case("Data sets", "complex numbers")(spoilt(image=grey(dtype=np.complex64)))
case("Data sets", "constant image")(spoilt(image=np.full((32, 40), 7, np.uint8)))
case("Data sets", "colour image")(spoilt(image=grey(32, 40, 3)))
case("Data sets", "labels in colour")(spoilt(labels=grey(32, 40, 3)))
case("Data sets", "channel that isn't there")(lambda folder: with_options(folder, channel=1))
case("Data sets", "list of channels of which one isn't there")(lambda folder: with_options(folder, channel=[0, 1]))
case("Data sets", "axes of another number")(lambda folder: with_options(folder, axes="zyx"))
case("Data sets", "four axes")(spoilt(image=grey(2, 2, 32, 40)))
case("Data sets", "image and labels of different sizes")(spoilt(labels=cells((30, 40))))
case("Data sets", "axes swapped")(spoilt(labels=cells((40, 32))))
case("Data sets", "stacks of different lengths")(spoilt(image=grey(3, 32, 40), labels=np.stack([cells()] * 2)))
case("Data sets", "labels are probabilities")(spoilt(labels=cells() / 3))
case("Data sets", "negative labels")(spoilt(labels=cells().astype(np.int16) - 3))
case("Data sets", "all pixels unknown")(spoilt(labels=np.full((32, 40), -1, np.int16)))
case("Data sets", "labels without an image")(spoilt(image=False))


def labelled(folder, **options):
    """A data set of one HDF5 file with a raw and a label array, read with ``options``."""
    with h5py.File(folder / "stack.h5", "w") as file:
        file["raw"], file["drawn"], file["small"] = grey()[None], cells()[None], cells()[None, :8]
    options = {"images": "raw", "labels": "drawn", "axes": "zyx"} | options
    return preparing(folder / "stack.h5", format="volume", options=options)


case("Data sets", "image that isn't in the volume")(partial(labelled, images="volumes/raw"))
case("Data sets", "volume whose labels are of another size")(partial(labelled, labels="small"))
case("Data sets", "volume that doesn't say its axes")(partial(labelled, axes=None))
case("Data sets", "no file of the pattern")(partial(labelled, files="*.h5"))
case("Data sets", "annotated slice beyond the volume")(partial(labelled, annotated=[0, 1]))


@case("Data sets", "labels of a volume as JPEG")
def _(folder):
    for name in ("raw.bmp", "drawn.jpg"):
        imsave(folder / name, grey(), check_contrast=False)
    return preparing(folder, format="volume", options={"images": "raw.bmp", "labels": "drawn.jpg"})


@case("Data sets", "file that claims to be larger than memory")
def _(folder):
    pair(folder)
    tifffile.imwrite(folder / "images/a.tif", grey())
    content = bytearray((folder / "images/a.tif").read_bytes())
    with tifffile.TiffFile(folder / "images/a.tif") as file:
        tags = file.pages[0].tags
        for name in ("ImageWidth", "ImageLength"):
            content[tags[name].valueoffset : tags[name].valueoffset + 4] = (
                2**22 if tags[name].dtype == 4 else 60000
            ).to_bytes(4, "little")
    (folder / "images/a.tif").write_bytes(content)
    return preparing(folder)


@case("Data sets", "no labels at all")
def _(folder):
    return lambda out: check_slices([Slice("a", "a", grey(), None)], "instances", None)


@case("Data sets", "labels hold no object")
def _(folder):
    pair(folder, labels=np.zeros((32, 40), np.uint8))
    return preparing(folder)


@case("Data sets", "binary masks called instances")
def _(folder):
    pair(folder, labels=255 * (cells() > 0).astype(np.uint8))
    return preparing(folder)


@case("Data sets", "folder that doesn't exist")
def _(folder):
    return preparing(folder / "nowhere")


@case("Data sets", "folder without images")
def _(folder):
    (folder / "images").mkdir()
    return preparing(folder)


@case("Data sets", "folder without labels")
def _(folder):
    pair(folder, labels=False)
    (folder / "labels").rmdir()
    return preparing(folder)


@case("Data sets", "images of a kind that isn't read")
def _(folder):
    pair(folder, image=False)
    (folder / "images/a.oib").write_bytes(b"Olympus")
    return preparing(folder)


def outlined(folder, *geometries, **entry):
    pair(folder, labels=False)
    properties = {"classification": {"name": "tumour"}}
    features = [{"type": "Feature", "geometry": geometry, "properties": properties} for geometry in geometries]
    (folder / "labels/a.geojson").write_text(json.dumps({"type": "FeatureCollection", "features": features}))
    return preparing(folder, **entry)


FAR = [[[500, 500], [520, 500], [520, 520], [500, 500]]]
case("Data sets", "points instead of outlines")(lambda f: outlined(f, {"type": "Point", "coordinates": [3, 4]}))
case("Data sets", "outlines of a larger image")(lambda f: outlined(f, {"type": "Polygon", "coordinates": FAR}))


@case("Data sets", "outlines of another class")
def _(folder):
    geometry = {"type": "Polygon", "coordinates": [[[1, 1], [9, 1], [9, 9]]]}
    return outlined(folder, geometry, labels="classes", classes={"nucleus": 1})


@case("Data sets", "outlines that are none")
def _(folder):
    pair(folder, labels=False)
    (folder / "labels/a.zip").write_bytes(b"no archive")
    return preparing(folder)


@case("Data sets", "a class that no label image holds")
def _(folder):
    pair(folder)
    return preparing(folder, labels="classes", classes={"glia": 7})


@case("Data sets", "voxel size that nobody says")
def _(folder):
    pair(folder)
    return preparing(folder, voxel_size=None)


@case("Data sets", "images whose files say voxels of different sizes")
def _(folder):
    for name, size in (("a", 0.5), ("b", 0.25)):
        pair(folder, name)
        spaced = {"axes": "YX", "PhysicalSizeX": size, "PhysicalSizeY": size}
        tifffile.imwrite(folder / f"images/{name}.tif", grey(32, 40), ome=True, metadata=spaced)
    return preparing(folder, voxel_size=None)


@case("Data sets", "labels as JPEG")
def _(folder):
    pair(folder, labels=False)
    imsave(folder / "labels/a.jpg", grey(), check_contrast=False)
    return preparing(folder)


@case("Data sets", "two images of one name")
def _(folder):
    pair(folder)
    imsave(folder / "images/a.png", grey(), check_contrast=False)
    return preparing(folder)


@case("Data sets", "more folds than slices")
def _(folder):
    pair(folder, "a")
    pair(folder, "b")
    return preparing(folder, split={"method": "images", "folds": 5})


@case("Data sets", "guard slices that leave nothing to train on")
def _(folder):
    pair(folder, "a", grey(4, 32, 40), np.stack([cells()] * 4))
    return preparing(folder, split={"method": "slabs", "folds": 2, "guard": 2})


@case("Data sets", "groups of which there is one")
def _(folder):
    pair(folder, "a", grey(4, 32, 40), np.stack([cells()] * 4))
    return preparing(folder, split={"method": "groups", "folds": 2})


@case("Data sets", "slice in two parts of a fold")
def _(folder):
    return lambda out: check_splits({"0": {"train": ["a", "b"], "validation": [], "test": ["a"], "guard": []}})


@case("Data sets", "ISBI 2012 without its stacks")
def _(folder):
    return preparing(folder, format="isbi2012", labels="binary")


@case("Data sets", "ISBI 2012 with stacks of different lengths")
def _(folder):
    write(folder / "train-volume.tif", grey(5, 32, 40))
    write(folder / "train-labels.tif", grey(4, 32, 40))
    return preparing(folder, format="isbi2012", labels="binary")


@case("Data sets", "cell tracking folder without gold truth")
def _(folder):
    (folder / "01").mkdir()
    return preparing(folder, format="ctc")


@case("Data sets", "cell tracking set in three dimensions")
def _(folder):
    (folder / "01_GT/SEG").mkdir(parents=True)
    tifffile.imwrite(folder / "01_GT/SEG/man_seg_000_012.tif", cells())
    return preparing(folder, format="ctc")


@case("Data sets", "cell tracking frame that is missing")
def _(folder):
    (folder / "01_GT/SEG").mkdir(parents=True)
    tifffile.imwrite(folder / "01_GT/SEG/man_seg007.tif", cells())
    return preparing(folder, format="ctc")


# --- Downloads -----------------------------------------------------------------------------------------------------


def archive(path, name="a.tif", content=b"x", flag=0):
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as opened:
        member = zipfile.ZipInfo(name)
        member.external_attr, member.compress_type = flag << 16, zipfile.ZIP_DEFLATED
        opened.writestr(member, content)
    return path.read_bytes()


@contextmanager
def serving(status, body):
    """URL at which a real server gives this answer."""

    class Handler(BaseHTTPRequestHandler):
        def log_message(self, *arguments):
            pass

        def do_GET(self):
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/set.zip"
    finally:
        server.shutdown()


def downloading(status, body, sha256=None):
    def step(out):
        with serving(status, body) as url:
            download(out / "mine", "mine", {"urls": [url], "sha256": sha256, "max_gb": 0.001})

    return step


case("Downloads", "file that isn't there")(lambda folder: downloading(404, b""))
case("Downloads", "access refused")(lambda folder: downloading(403, b""))
case("Downloads", "web page instead of data")(lambda folder: downloading(200, b"<!DOCTYPE html><p>log in</p>"))
case("Downloads", "archive that is damaged")(lambda folder: downloading(200, archive(folder / "a.zip")[:60]))
case("Downloads", "wrong checksum")(lambda folder: downloading(200, archive(folder / "a.zip"), "0" * 64))
case("Downloads", "path that leaves the folder")(
    lambda folder: downloading(200, archive(folder / "a.zip", "../evil.tif"))
)
case("Downloads", "absolute path")(lambda folder: downloading(200, archive(folder / "a.zip", "/etc/evil.tif")))
case("Downloads", "link in an archive")(
    lambda folder: downloading(200, archive(folder / "a.zip", "link", b"/etc/passwd", 0o120777))
)
case("Downloads", "archive that unpacks to too much")(
    lambda folder: downloading(200, archive(folder / "a.zip", "zeros", bytes(10**7)))
)


@case("Downloads", "no network")
def _(folder):
    source = {"urls": ["http://127.0.0.1:1/set.zip"], "sha256": None, "max_gb": 1}
    return lambda out: download(out / "mine", "mine", source)


# --- Models --------------------------------------------------------------------------------------------------------

ARCHITECTURE = {"name": "unet", "in_channels": 1, "classes": 2, "width": 2, "depth": 1}


def trained(folder, **changes):
    """Path of a small model file; ``changes`` to its description come after its checksum."""
    path = folder / "model.safetensors"
    described = {"architecture": ARCHITECTURE, "normalisation": {"mean": 100.0, "sd": 50.0}}
    modelfile.save(path, models.build(**ARCHITECTURE).state_dict(), described)
    if changes:
        beside = path.with_suffix(".json")
        beside.write_text(json.dumps(json.loads(beside.read_text()) | changes))
    return path


def importing(path):
    return lambda out: import_model(path, out / "model.safetensors")


@case("Models", "weights of another network")
def _(folder):
    return importing(trained(folder, architecture=ARCHITECTURE | {"width": 3}))


@case("Models", "network of another version")
def _(folder):
    return importing(trained(folder, architecture=ARCHITECTURE | {"wings": 2}))


@case("Models", "weights that were tampered with")
def _(folder):
    path = trained(folder)
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)
    return importing(path)


@case("Models", "pickle instead of safetensors")
def _(folder):
    content = pickle.dumps({"weights": 1})
    path = trained(folder, weights_sha256=hashlib.sha256(content).hexdigest())
    path.write_bytes(content)
    return importing(path)


@case("Models", "description missing")
def _(folder):
    path = trained(folder)
    path.with_suffix(".json").unlink()
    return importing(path)


@case("Models", "description that is no JSON")
def _(folder):
    path = trained(folder)
    path.with_suffix(".json").write_text("width: 2")
    return importing(path)


@case("Models", "description of something else")
def _(folder):
    path = trained(folder)
    path.with_suffix(".json").write_text('{"name": "StarDist"}')
    return importing(path)


@case("Models", "package of another program")
def _(folder):
    archive(folder / "model.zip", "rdf.yaml", b"type: model")
    return importing(folder / "model.zip")


@case("Models", "package that is no zip file")
def _(folder):
    (folder / "model.zip").write_bytes(b"<html>not found</html>")
    return importing(folder / "model.zip")


@case("Models", "package that unpacks to too much")
def _(folder):
    archive(folder / "model.zip", packages.DESCRIPTION, bytes(2 * packages.MOST[packages.DESCRIPTION]))
    return importing(folder / "model.zip")


def exporting(**changes):
    about = {"license": "CC-BY-4.0", "authors": [{"name": "Ada Lovelace"}], "limits": ""} | changes
    return lambda out: export_model(None, None, None, about)


case("Models", "export without a licence")(lambda folder: exporting(license=None))
case("Models", "export without authors")(lambda folder: exporting(authors=[]))
case("Models", "export under a licence that nobody knows")(lambda folder: exporting(license="mine"))
case("Models", "export with a wrong ORCID iD")(
    lambda folder: exporting(authors=[{"name": "Ada Lovelace", "orcid": "1815"}])
)


@case("Models", "training that starts from another network")
def _(folder):
    path = trained(folder)
    return lambda out: starting_network(ARCHITECTURE | {"width": 4}, path)


@case("Models", "prediction in int8 by a model that doesn't know how")
def _(folder):
    network = modelfile.load(trained(folder))
    return lambda out: OpenVino(network, "int8")


@case("Models", "training that diverges")
def _(folder):
    torch.manual_seed(0)
    recipe = Recipe(steps=20, optimizer="sgd", learning_rate=1e38)
    sample = grey(40, 40, dtype=np.float32), np.zeros((40, 40), np.uint8), np.ones((40, 40), np.float32)
    training = Training(models.build(**ARCHITECTURE), recipe, 0, "cpu")
    return lambda out: training.run([sample], lambda network: {}, out / "checkpoint", lambda *seen: None)


# --- Volumes -------------------------------------------------------------------------------------------------------

OPTIONS = {
    "block": [2, 16, 16],
    "tile": None,
    "symmetries": ["0"],
    "store": "uint8",
    "spread": False,
    "precision": "float32",
}
OPTIONS |= {"engine": "torch"}


def volume(path, truth=None, room=10**9, **options):
    path = [str(one) for one in path] if isinstance(path, list) else str(path)
    usual = {"path": path, "axes": "zyx", "voxel_size": [1, 1, 1]}
    return lambda out: plan_volume(usual | options, truth, ARCHITECTURE, OPTIONS, out / "plan.json", room)


def stack(folder, shape=(3, 20, 24), **options):
    zarr.create_array(str(folder / "v.zarr"), data=grey(*shape))
    return volume(folder / "v.zarr", **options)


case("Volumes", "path that doesn't exist")(lambda folder: volume(folder / "nothing.zarr"))
case("Volumes", "pattern that matches nothing")(lambda folder: volume(folder / "no*.tif"))


@case("Volumes", "grey and colour images in one pattern")
def _(folder):
    for name, shape in (("a", (20, 24)), ("b", (20, 24, 3))):
        tifffile.imwrite(folder / f"{name}.tif", grey(*shape))
    return volume(folder / "*.tif")


@case("Volumes", "time points of different sizes")
def _(folder):
    for name, side in (("a", 20), ("b", 24)):
        tifffile.imwrite(folder / f"{name}.tif", grey(20, side))
    return volume(folder / "*.tif", axes="tyx", time=0)


@case("Volumes", "truth whose files have other sizes")
def _(folder):
    for name, sides in (("image", (20, 24)), ("truth", (24, 20))):
        for number, side in enumerate(sides):
            tifffile.imwrite(folder / f"{name}{number}.tif", grey(20, side))
    return volume(folder / "image*.tif", truth={"path": str(folder / "truth*.tif")})


@case("Volumes", "a file of a pattern that is no image")
def _(folder):
    tifffile.imwrite(folder / "a.tif", grey(20, 24))
    (folder / "b.tif").write_text("no image")
    return volume(folder / "*.tif")


@case("Volumes", "PNG that is none")
def _(folder):
    (folder / "v.png").write_text("no image")
    return volume(folder / "v.png")


@case("Volumes", "file of a microscope that is damaged")
def _(folder):
    (folder / "v.czi").write_bytes(b"ZISRAWFILE")
    return volume(folder / "v.czi")


@case("Volumes", "file of a microscope with several scenes")
def _(folder):
    two_scenes(folder / "v.czi")
    return volume(folder / "v.czi")


case("Volumes", "file of a microscope behind a URL")(lambda folder: volume("https://example.org/v.nd2"))
case("Volumes", "URL that nobody answers")(lambda folder: volume("http://127.0.0.1:1/v.zarr"))
case("Volumes", "axes that nobody knows")(lambda folder: stack(folder, axes=None))
case("Volumes", "axes of another number")(lambda folder: stack(folder, axes="czyx"))
case("Volumes", "axis named twice")(lambda folder: stack(folder, axes="zyy"))
case("Volumes", "axis that isn't one")(lambda folder: stack(folder, axes="qyx"))
case("Volumes", "channels of which none is named")(lambda folder: stack(folder, axes="cyx"))
case("Volumes", "channel that isn't there")(lambda folder: stack(folder, axes="cyx", channel=3))
case("Volumes", "list of channels of which one isn't there")(lambda folder: stack(folder, axes="cyx", channel=[0, 3]))


@case("Volumes", "channels of different shapes")
def _(folder):
    for name, side in (("a", 20), ("b", 24)):
        tifffile.imwrite(folder / f"{name}.tif", grey(5, 20, side))
    return volume([folder / "a.tif", folder / "b.tif"])


case("Volumes", "channel of a volume without any")(lambda folder: stack(folder, channel=1))
case("Volumes", "voxel size unknown")(lambda folder: stack(folder, voxel_size=None))
case("Volumes", "empty volume")(lambda folder: stack(folder, (0, 20, 24)))
case("Volumes", "memory too small for any tile")(lambda folder: stack(folder, room=10**6))


@case("Volumes", "truth as JPEG")
def _(folder):
    imsave(folder / "truth.jpg", grey(20, 24), check_contrast=False)
    return stack(folder, (1, 20, 24), truth={"path": str(folder / "truth.jpg")})


@case("Volumes", "truth of another shape")
def _(folder):
    zarr.create_array(str(folder / "truth.zarr"), data=grey(3, 20, 20))
    return stack(folder, truth={"path": str(folder / "truth.zarr"), "axes": "zyx"})


@case("Volumes", "group without an image")
def _(folder):
    zarr.open_group(str(folder / "v.zarr"), mode="w").create_array("raw", data=grey(3, 20, 24))
    return volume(folder / "v.zarr")


@case("Volumes", "array that isn't in the group")
def _(folder):
    zarr.open_group(str(folder / "v.zarr"), mode="w").create_array("raw", data=grey(3, 20, 24))
    return volume(folder / "v.zarr", array="row")


@case("Volumes", "numbers that are none")
def _(folder):
    zarr.create_array(str(folder / "v.zarr"), data=np.zeros((3, 20, 24), bool))
    return volume(folder / "v.zarr")


@case("Volumes", "TIFF that is none")
def _(folder):
    (folder / "v.tif").write_bytes(b"<html>not found</html>")
    return volume(folder / "v.tif")


@case("Volumes", "TIFF of several images")
def _(folder):
    several_images(folder / "v.tif")
    return volume(folder / "v.tif", axes=None)


@case("Volumes", "TIFF in colour")
def _(folder):
    tifffile.imwrite(folder / "v.tif", grey(8, 8, 3), photometric="rgb")
    return volume(folder / "v.tif", axes=None)


@case("Volumes", "HDF5 that is none")
def _(folder):
    (folder / "v.h5").write_bytes(b"<html>not found</html>")
    return volume(folder / "v.h5")


@case("Volumes", "HDF5 of several arrays")
def _(folder):
    with h5py.File(folder / "v.h5", "w") as file:
        file["raw"], file["labels"] = grey(3, 20, 24), grey(3, 20, 24)
    return volume(folder / "v.h5")


@case("Volumes", "file of no known kind")
def _(folder):
    (folder / "v.txt").write_text("hello")
    return volume(folder / "v.txt")


def slab_of(path, plan):
    """Prediction of a volume by an untrained network."""

    def step(out):
        inputs = SlabInputs({"path": str(path), "axes": "zyx", "voxel_size": [1, 1, 1]}, plan, trained(path.parent))
        predict_slab(inputs, out / "slab.zarr", "1-of-1", OPTIONS, "cpu", 10**9, "key")

    return step


def planned(folder, shape=(3, 20, 24)):
    tifffile.imwrite(folder / "v.tif", grey(*shape), compression="zlib", photometric="minisblack")
    volume(folder / "v.tif")(folder)
    return folder / "plan.json"


@case("Volumes", "voxels that can't be read")
def _(folder):
    plan = planned(folder)
    with tifffile.TiffFile(folder / "v.tif") as file:
        page = file.pages[2]
        start, count = page.dataoffsets[0], page.databytecounts[0]
    content = bytearray((folder / "v.tif").read_bytes())
    content[start : start + count] = bytes(count)
    (folder / "v.tif").write_bytes(content)
    return slab_of(folder / "v.tif", plan)


@case("Volumes", "volume that changed after it was planned")
def _(folder):
    plan = planned(folder)
    tifffile.imwrite(folder / "v.tif", grey(3, 20, 28), photometric="minisblack")
    return slab_of(folder / "v.tif", plan)


@case("Volumes", "volume whose voxels changed after it was planned")
def _(folder):
    plan = planned(folder)
    tifffile.imwrite(folder / "v.tif", 255 - grey(3, 20, 24), photometric="minisblack")
    return slab_of(folder / "v.tif", plan)


# --- Machine -------------------------------------------------------------------------------------------------------


@case("Machine", "GPU that was promised and isn't there")
def _(folder):
    return lambda out: jobs.device(1, threads=1)


@case("Machine", "disk that is full")
def _(folder):
    return lambda out: Path("/dev/full").write_text("x" * 10**6)
