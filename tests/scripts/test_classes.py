"""Data sets of several classes of objects, from label images to metrics and measurements."""

import json
import shutil

import numpy as np
import pandas as pd
import pytest
import tifffile
import torch
import zarr
from augment import augment_chunk
from choose_segmentation import Inputs as ChoiceInputs
from choose_segmentation import choose_segmentation
from evaluate import evaluate
from evaluate_volume import evaluate_volume
from export_images import export_images
from measure_objects import measure_objects
from predict import predict_slices
from prepare import prepare
from segment import segment_slices
from segment_volume import segment_volume
from skimage.measure import label
from test_chain import AUGMENTATION, DATASET, IDS, PREDICTION
from test_joining import same_partition
from test_volumes import OPTIONS, SEGMENTATION, predicted
from train import Inputs, train
from unetflow import IGNORE, models
from unetflow.datasets.stacks import Samples, Volume, read_split
from unetflow.inference import predict_as
from unetflow.metrics import ctc, overlap
from unetflow.objects import segment
from unetflow.predictions import Channels, Prediction
from unetflow.report import figures, methods
from unetflow.sharing import modelfile
from weight_map import weight_maps

FILES, SIZE = 4, 80
CLASSES = {"nucleus": 7, "cytoplasm": [2, 3]}  # values of label images; 1 is drawn too, and nobody asks for it
UNKNOWN = 255
NETWORK = {"name": "unet", "in_channels": 1, "classes": 3, "width": 4, "depth": 2, "norm": "batch", "dropout": 0.0}
DESCRIPTION = {"architecture": NETWORK, "objects": list(CLASSES), "dataset": "d", "fold": "0", "seed": 0, "code": "c"}
WEIGHTS = {"form": "classes", "w0": 10.0, "sigma": 5.0, "class_balance": True, "gap": 2, "border_class": 0}
TRUTH = {"labels": "classes", "classes": CLASSES, "ignore": UNKNOWN}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Nuclei within cytoplasm, two such cells side by side and one cut off, and some alone, prepared with targets."""
    folder, rng = tmp_path_factory.mktemp("classes"), np.random.default_rng(0)
    for kind in ("images", "labels"):
        (folder / kind).mkdir()
    for k in range(FILES):
        labels = np.zeros((SIZE, SIZE), np.uint8)
        labels[20 + k : 40, 5:40], labels[20:40, 40:60], labels[70:, 10:30] = 2, 3, 2
        labels[26:34, 12:20], labels[25:35, 44:55], labels[75:, 15:20], labels[50:60, 60:70] = 7, 7, 7, 1
        for bare in range(k):
            labels[62:69, 35 + 12 * bare : 42 + 12 * bare] = 7
        grey = 40 * (np.isin(labels, [2, 3])) + 120 * (labels == 7) + rng.integers(0, 60, labels.shape)
        labels[:4] = UNKNOWN
        tifffile.imwrite(folder / f"images/{k}.tif", grey.astype(np.uint8))
        tifffile.imwrite(folder / f"labels/{k}.tif", labels)
    prepare(folder, *made(folder)[:2], folder / "checks.csv", DATASET | TRUTH | {"format": "folder", "options": {}})
    weight_maps(*made(folder), "0", WEIGHTS)
    return folder


def made(folder):
    return [folder / name for name in ("volume.zarr", "splits.json", "targets.zarr")]


@pytest.fixture(scope="module")
def model(folder):
    """A network trained for some steps, which knows the classes apart."""
    augment_chunk(*made(folder), folder / "chunk", "0", range(24), "seed", AUGMENTATION | {"input": 60})
    volume, splits, targets = made(folder)
    recipe = {"steps": 240, "batch": 2, "optimizer": "adamw", "learning_rate": 0.01, "validate_every": 120}
    inputs = Inputs([str(folder / "chunk")], volume, splits, targets, None)
    train(inputs, folder, folder / "curves", dict(DESCRIPTION), recipe | {"clip": 1, "symmetries": True}, "cpu")
    return folder / "model.safetensors"


def truth_of(folder, name):
    """(class of each pixel from 0, whether it is known) as the file says."""
    values = tifffile.imread(folder / f"labels/{name}.tif")
    return np.select([values == 7, np.isin(values, [2, 3])], [1, 2]), values != UNKNOWN


def test_objects_are_the_pieces_of_each_class(folder):
    volume = Volume(folder / "volume.zarr")
    assert volume.objects == ("nucleus", "cytoplasm")
    for name in volume.names:
        classes, known = truth_of(folder, name)
        labels = volume.labels(name)
        np.testing.assert_array_equal(volume.classes(name), classes)
        np.testing.assert_array_equal(labels == IGNORE, ~known)
        assert same_partition(np.maximum(labels, 0), label(classes, connectivity=1))
    checks = pd.read_csv(folder / "checks.csv").set_index("check")["finding"]
    share = np.mean([(truth_of(folder, name)[0] == 1).sum() for name in volume.names]) / (76 * 80)
    assert checks["classes"].startswith(f"nucleus {share:.2%}, cytoplasm ") and "suspicious" not in checks


def test_one_class_alone_is_told_from_all_else(folder, tmp_path):
    dataset = DATASET | TRUTH | {"format": "folder", "options": {}, "classes": {"nucleus": 7}}
    prepare(folder, *made(tmp_path)[:2], tmp_path / "checks.csv", dataset)
    weight_maps(*made(tmp_path), "0", WEIGHTS | {"border_class": 2})
    volume, targets = Volume(tmp_path / "volume.zarr"), zarr.open_group(tmp_path / "targets.zarr", mode="r")["target"]
    name = read_split(tmp_path / "splits.json", "0")["train"][0]
    assert volume.objects == ("nucleus",) and volume.classes(name) is None
    np.testing.assert_array_equal(volume.labels(name) > 0, truth_of(folder, name)[0] == 1)
    np.testing.assert_array_equal(targets[volume.index[name]] > 0, truth_of(folder, name)[0] == 1)


def test_a_class_that_is_nowhere_is_told(folder, tmp_path):
    dataset = DATASET | TRUTH | {"format": "folder", "options": {}, "classes": CLASSES | {"glia": 12}}
    prepare(folder, *made(tmp_path)[:2], tmp_path / "checks.csv", dataset)
    assert "no pixel is of the class glia (value 12)" in (tmp_path / "checks.csv").read_text()


def test_targets_are_classes_and_only_cells_of_one_class_are_parted(folder):
    volume, targets = Volume(folder / "volume.zarr"), zarr.open_group(folder / "targets.zarr", mode="r")
    sums = np.zeros(3)
    for name in read_split(folder / "splits.json", "0")["train"]:
        classes, known = truth_of(folder, name)
        z = volume.index[name]
        np.testing.assert_array_equal(targets["target"][z], np.where(known, classes, 0))
        sums += np.bincount(classes[known], targets["weight"][z][known], minlength=3)
        assert (targets["weight"][z][~known] == 0).all()
    np.testing.assert_allclose(sums, sums.mean(), rtol=1e-5)


def test_samples_carry_the_classes(folder, model):
    assert {int(k) for _, target, _ in Samples([folder / "chunk"]) for k in np.unique(target)} == {0, 1, 2}


@pytest.fixture(scope="module")
def found(folder, model):
    """Prediction, objects and metrics of the test slices."""
    prediction = PREDICTION | {"spread": True}
    predict_slices(folder / "volume.zarr", folder / "splits.json", model, folder / "p.zarr", "0", prediction, "cpu", "")
    segment_slices(folder / "p.zarr", folder / "s.zarr", {"min_size": 3, "fill_holes": True})
    stores = (folder / name for name in ("volume.zarr", "p.zarr", "s.zarr", "m.csv", "c.csv"))
    evaluate(*stores, ["dice", "iou", "seg", "det"], IDS)
    return Prediction(folder / "p.zarr"), Prediction(folder / "s.zarr"), pd.read_csv(folder / "m.csv")


def test_each_pixel_of_an_object_is_of_its_most_probable_class(found):
    prediction, objects, _ = found
    assert prediction.channels == ["background", "nucleus", "cytoplasm", "spread"]
    for name, counts in zip(objects.names, objects.meta["objects"]):
        chances, labels = np.stack(list(prediction.chances(name).values())), objects.labels(name)
        np.testing.assert_allclose(chances.sum(axis=0), prediction.foreground(name), atol=1e-6)
        np.testing.assert_allclose(1 - prediction.channel("background", name), chances.sum(axis=0), atol=1e-6)
        best = 1 + chances.argmax(axis=0)
        assert labels.max() == sum(counts) and min(counts) > 0
        assert ((labels > counts[0]) == (best == 2))[labels > 0].all()
        np.testing.assert_array_equal(objects.labels(name, 2) > 0, (labels > 0) & (best == 2))


def test_metrics_are_those_of_each_class_and_their_mean(folder, found):
    prediction, objects, table = found
    for image in (*prediction.names, "all"):
        names = prediction.names if image == "all" else [image]
        values = table[table["image"].astype(str) == image].set_index("metric")["value"]
        for number, kind in enumerate(CLASSES, 1):
            files = [truth_of(folder, name) for name in names]
            truth = [np.where(known, label(classes == number, connectivity=1), IGNORE) for classes, known in files]
            chances = [prediction.channel(kind, name) for name in names]
            assert values[f"dice_of_{kind}"] == pytest.approx(overlap.dice(truth, chances))
            assert values[f"iou_of_{kind}"] == pytest.approx(overlap.iou(truth, chances))
            of_class = [objects.labels(name, number) for name in names]
            assert values[f"seg_of_{kind}"] == pytest.approx(ctc.seg(truth, of_class))
            assert values[f"det_of_{kind}"] == pytest.approx(ctc.det(truth, of_class))
        for metric in ("dice", "iou", "seg", "det"):
            assert values[metric] == pytest.approx(np.mean([values[f"{metric}_of_{kind}"] for kind in CLASSES]))
    assert values["dice_of_nucleus"] > 0.5, "nothing was learned"


def test_outlines_that_were_found_are_a_data_set_of_the_same_classes(folder, found, tmp_path):
    objects = found[1]
    assert objects.meta["objects"][0] != objects.meta["objects"][1]
    export_images(str(folder / "s.zarr"), tmp_path / "labels", "outlines")
    shutil.copytree(folder / "images", tmp_path / "images")
    dataset = DATASET | TRUTH | {"format": "folder", "options": {}, "classes": {"cytoplasm": 1, "nucleus": 2}}
    dataset["split"] = {"method": "images", "folds": 2}
    prepare(tmp_path, *made(tmp_path)[:2], tmp_path / "checks.csv", dataset)
    volume = Volume(tmp_path / "volume.zarr")
    for name in objects.names:
        numbers = [objects.labels(name, number) > 0 for number in (2, 1)]
        np.testing.assert_array_equal(volume.classes(name), np.select(numbers, [1, 2]))


def test_objects_of_classes_are_chosen_too(folder, model, tmp_path):
    how = {"choose": {"metric": "seg", "among": {"threshold": [0.5, 1.0]}}, "fill_holes": True}
    inputs = ChoiceInputs(folder / "volume.zarr", folder / "splits.json", model)
    choose_segmentation(inputs, tmp_path / "chosen.json", tmp_path / "trials.csv", "0", PREDICTION, how, "cpu")
    assert json.loads((tmp_path / "chosen.json").read_text()) == {"threshold": 0.5, "fill_holes": True}
    volume, network, truth, objects = Volume(inputs.volume), modelfile.load(model), [], []
    for part in ("train", "validation"):
        for name in read_split(inputs.splits, "0")[part]:
            found = Channels(predict_as(PREDICTION, network, volume.image(name)), network.channels)
            truth.append(volume.labels(name))
            objects.append(segment(found.foreground(), classes=found.classes(), number=2, fill_holes=True)[0])
    best = pd.read_csv(tmp_path / "trials.csv")["score"].max()
    assert best == pytest.approx(ctc.seg(truth, objects)) and best > 0.1


def test_pictures_and_words_are_of_each_class(folder, found):
    prediction, objects, _ = found
    volume, name = Volume(folder / "volume.zarr"), prediction.names[0]
    seen = prediction.chances(name), objects.labels(name), prediction.spread(name)
    figure = figures.prediction_figure([(name, volume.image(name), volume.labels(name), *seen)])
    titles = [axis.get_title() for axis in figure.axes]
    assert titles[1:3] == ["probability of nucleus", "probability of cytoplasm"] and len(titles) == 5
    for axis, kind in zip(figure.axes[1:], CLASSES):
        np.testing.assert_array_equal(axis.images[0].get_array(), prediction.channel(kind, name))
    told = methods.data("tissue", volume.meta, DATASET["split"], [0])
    assert "4 of them annotated, by the classes nucleus, cytoplasm." in told


@pytest.mark.parametrize("store", ["float16", "argmax"])
def test_a_volume_has_the_same_classes_as_its_slices(folder, found, model, tmp_path, store):
    prediction, objects, table = found
    names = prediction.names
    stack = np.stack([Volume(folder / "volume.zarr").image(name) for name in names])
    truth = np.stack([tifffile.imread(folder / f"labels/{name}.tif") for name in names])
    for name, array in (("raw", stack), ("truth", truth)):
        zarr.create_array(str(tmp_path / f"{name}.zarr"), data=array, chunks=(1, 30, 30))
    entry = {"path": str(tmp_path / "raw.zarr"), "axes": "zyx", "voxel_size": [1, 0.5, 0.5], "unit": "micrometer"}
    options = OPTIONS | {"store": store, "block": [1, 32, 48], "tile": [16, 24]}
    whole = predicted(tmp_path, entry, model, options, slabs=2, architecture=NETWORK)
    how = SEGMENTATION | {"min_size": 3, "fill_holes": True}
    segment_volume(whole, tmp_path / "o.zarr", how, 1, "key")
    group = zarr.open_group(tmp_path / "o.zarr", mode="r")
    by_slice = np.stack([objects.labels(name) for name in names])
    if store == "float16":
        assert np.mean((group["0"][:] > 0) == (by_slice > 0)) > 0.999
    counts = group.attrs["unetflow"]["objects"]
    assert group.attrs["unetflow"]["classes"] == list(CLASSES)
    np.testing.assert_allclose(counts, np.sum(objects.meta["objects"], axis=0), atol=3)

    source = {"path": str(tmp_path / "truth.zarr"), "axes": "zyx", "array": None, "channel": None, "time": None}
    evaluate_volume(source | TRUTH | {"dimensions": 2}, whole, tmp_path / "o.zarr", tmp_path / "m.csv", IDS, 1, "key")
    values = pd.read_csv(tmp_path / "m.csv").set_index("metric")["value"]
    expected = table[table["image"] == "all"].set_index("metric")["value"]
    for metric in expected.index:
        assert values[metric] == pytest.approx(expected[metric], abs=0.01 if store == "float16" else 0.15)
    measure_objects(entry, tmp_path / "o.zarr", tmp_path / "o.csv", 2, 1, "key")
    rows = pd.read_csv(tmp_path / "o.csv")
    assert rows["class"].value_counts().to_dict() == dict(zip(CLASSES, counts))
    assert (rows["class"] == np.repeat(list(CLASSES), counts)).all()
    whole = rows[~rows["at_border"]]["class"].value_counts()
    for seen, expected in ((rows, [f"{whole[kind]} {kind}" for kind in CLASSES]), (rows[rows["at_border"]], [])):
        shown = figures.objects_figure(seen).axes[0].get_legend_handles_labels()[1]
        assert shown == [f"all {len(seen)}", *expected]


def test_a_model_without_names_knows_objects_and_their_border(tmp_path):
    torch.manual_seed(0)
    network, normalisation = models.build(**NETWORK), {"mean": 0.0, "sd": 1.0}
    old = {"architecture": NETWORK, "normalisation": normalisation}
    for described, expected in ((old, ("object", "border")), (old | {"objects": list(CLASSES)}, tuple(CLASSES))):
        modelfile.save(tmp_path / "m.safetensors", network.state_dict(), described)
        assert modelfile.load(tmp_path / "m.safetensors").channels == ("background", *expected)
