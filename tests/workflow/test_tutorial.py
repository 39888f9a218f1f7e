"""The tutorial as a reader follows it: its files are written, its commands run, in a folder with an odd name.

The recipe is edited before it is trained by, as the page says one can, to fewer steps; with TUTORIAL_STEPS=1500 it is
trained as long as for the page's figures.
"""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import requests
import tifffile
import zarr
from conftest import ROOT, Pipeline
from unetflow.datasets.stacks import Volume, read_split
from unetflow.experiment import found
from unetflow.images.outlines import read_outlines
from unetflow.objects import segment
from unetflow.predictions import Prediction
from unetflow.weights import separate_touching

PAGE = ROOT / "docs/tutorial.md"
STEPS = int(os.environ.get("TUTORIAL_STEPS", "200"))
RECIPE = "results/mine/0/auto.yaml"
BLOCKS = re.findall(r"^```(bash|yaml)\n(.*?)^```$", PAGE.read_text(), re.M | re.S)
TRAINING = next(text for _, text in BLOCKS if "gpu=0" in text)


@pytest.fixture(scope="module")
def followed(tmp_path_factory):
    """The folder of a reader who did all that the page says, and what each command printed."""
    folder = tmp_path_factory.mktemp("reader") / "Meine Zellen (µm)"
    Pipeline(folder)
    for name in ("Makefile", "requirements", "resources/example_cells.py"):
        target = folder / name
        (shutil.copytree if (ROOT / name).is_dir() else shutil.copy)(ROOT / name, target)
    (folder / ".venv").symlink_to(Path(sys.executable).parents[1])
    printed, began = {}, time.monotonic()
    for kind, text in BLOCKS:
        if kind == "yaml":
            (folder / re.match(r"# (\S+)\n", text)[1]).write_text(text)
        elif "snakemake view" in text:
            printed[text] = looked_at(folder, text)
        else:
            if text == TRAINING:
                output(folder, f"{text.strip()} -- {RECIPE}")
                edit_recipe(folder / RECIPE)
            printed[text] = output(folder, text)
    print(f"\nall of {PAGE.name} in {(time.monotonic() - began) / 60:.1f} minutes")
    return folder, printed


def output(folder, command):
    """What a command of the page prints."""
    done = subprocess.run(["bash", "-ec", command], cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, command + (done.stdout + done.stderr)[-3000:]
    return done.stdout + done.stderr


def edit_recipe(path):
    """Train for `STEPS` steps."""
    edited, places = re.subn(r"\bsteps: \d+", f"steps: {STEPS}", path.read_text())
    assert places == 1, edited
    path.write_text(edited)


def looked_at(folder, command):
    """What `snakemake view` serves: the text of its page; ended with Ctrl-C."""
    log = folder / "logs/view.log"
    process = subprocess.Popen(
        ["bash", "-c", f"exec {command}"], cwd=folder, stderr=subprocess.DEVNULL, start_new_session=True
    )
    try:
        for _ in range(240):
            time.sleep(0.5)
            if log.is_file() and (found := re.search(r"Open (http://127\.0\.0\.1:\d+) ", log.read_text())):
                return requests.get(found[1], timeout=10).text
        raise AssertionError("no address was printed")
    finally:
        os.killpg(process.pid, signal.SIGINT)  # as Ctrl-C does
        process.wait(60)


def test_every_command_works(followed):
    folder, printed = followed
    assert len(printed) == len([kind for kind, _ in BLOCKS if kind == "bash"]) >= 6
    assert (folder / "results/report.html").is_file()
    table = pd.read_csv(folder / "results/metrics.csv").query("image == 'all' and metric == 'seg'")
    assert table["value"].iloc[0] > 0.3, "the network learned something"
    objects = zarr.open_group(folder / "results/volumes/all_of_mine/auto/segmentation.zarr", mode="r")["0"]
    assert objects.shape == (10, 256, 256) and (np.max(objects[6:], axis=(1, 2)) > 0).all()
    for z, image in enumerate(sorted((folder / "my_cells/images").iterdir())):
        labels = tifffile.imread(folder / f"results/volumes/all_of_mine/auto/segmentation_images/{image.stem}.tif")
        assert labels.dtype == np.uint16 and (labels == objects[z]).all()
        drawn = folder / f"results/volumes/all_of_mine/auto/segmentation_outlines/{image.stem}.geojson"
        found = read_outlines(drawn, (1, *labels.shape))[0]
        assert ((found > 0) == (labels > 0)).all() and len(np.unique(found)) == len(np.unique(labels))
    measured = pd.read_csv(folder / "results/volumes/all_of_mine/auto/objects.csv")
    assert len(measured) == len(np.unique(objects)) - 1 and set(measured["unit"]) == {"micrometer"}
    assert measured["image"].nunique() == 10 and all(
        (folder / "my_cells/images" / n).is_file() for n in measured["image"]
    )


def test_samples_network_and_training_are_those_that_were_found(followed):
    folder, _ = followed
    fold = folder / "results/mine/0"
    recipe, made = found.read(folder / RECIPE), json.loads((fold / "auto/model.json").read_text())
    assert recipe["network"].items() <= made["architecture"].items()
    assert recipe["training"]["steps"] == STEPS and recipe["training"].items() <= made["training"].items()
    side = recipe["augmentation"]["input"]
    assert zarr.open_group(fold / "chunks/auto/0.zarr", mode="r")["image"].shape[1:] == (side, side)
    volume, targets = Volume(folder / "results/mine/volume.zarr"), zarr.open_group(fold / "targets/auto.zarr", mode="r")
    name = read_split(folder / "results/mine/splits.json", "0")["train"][0]
    parted = separate_touching(volume.labels(name), recipe["weights"]["gap"])
    np.testing.assert_array_equal(targets["target"][volume.index[name]], parted > 0)


def test_objects_of_the_volume_are_cut_as_was_chosen_on_the_labelled_images(followed):
    folder, _ = followed
    chosen = json.loads((folder / "results/mine/0/auto/segmentation.json").read_text())
    stores = folder / "results/volumes/all_of_mine/auto"
    probability, objects = (
        zarr.open_group(stores / f"{name}.zarr", mode="r")["0"] for name in ("prediction", "segmentation")
    )
    for z in range(3):
        expected = segment(probability[1, z].astype(np.float32), **chosen)[0]
        assert expected.max() == len(np.unique(objects[z])) - 1 > 1
        np.testing.assert_array_equal(expected > 0, objects[z] > 0)


def test_images_stacked_as_a_volume_are_predicted_as_each_alone(followed):
    folder, _ = followed
    volume = zarr.open_group(folder / "results/volumes/all_of_mine/auto/prediction.zarr", mode="r")["0"]
    alone = Prediction(folder / "results/mine/0/auto/prediction.zarr")
    places = Volume(folder / "results/mine/volume.zarr").index
    assert alone.names
    for name in alone.names:
        np.testing.assert_allclose(volume[1, places[name]], alone.foreground(name), atol=0.01)


def test_the_check_is_as_shown(followed):
    """The page shows what is printed, but for the first lines of Snakemake."""
    _, printed = followed
    said = next(text for command, text in printed.items() if "snakemake check" in command)
    shown = re.search(r"^```text\n(.*?)^```$", PAGE.read_text(), re.M | re.S)[1]
    assert shown.strip() in said, said


def test_the_viewer_offers_what_was_predicted(followed):
    _, printed = followed
    page = next(text for command, text in printed.items() if "snakemake view" in command)
    assert "all_of_mine, auto" in page and "mine, fold 0, auto" in page


def test_a_changed_image_is_prepared_again_and_a_touched_one_is_not(followed):
    """The last test here, since it leaves the data changed; nothing is run."""
    folder, _ = followed
    planning = ".venv/bin/snakemake -n --cores 2 --resources gpu=0 --configfile mine.yaml -- results/mine/volume.zarr"
    image = min((folder / "my_cells/images").glob("*.tif"))
    os.utime(image)
    assert "Nothing to be done" in output(folder, planning)
    image.write_bytes(image.read_bytes() + b"0")
    assert "rule prepare" in output(folder, planning)
