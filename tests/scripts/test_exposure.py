"""Images exposed one by one: brightness and contrast of a file change nothing, from the samples to the prediction."""

import choose_segmentation
import numpy as np
import pandas as pd
import pytest
import tifffile
import zarr
from augment import augment_chunk
from predict import predict_slices
from prepare import prepare
from test_chain import AUGMENTATION, DATASET, PREDICTION
from train import Inputs, train
from unetflow.datasets.stacks import Samples, Volume, read_split
from unetflow.datasets.synthetic import cell_images
from unetflow.inference import predict_as
from unetflow.predictions import Prediction
from unetflow.sharing import modelfile
from weight_map import weight_maps

FILES = 4
ARCHITECTURE = {"name": "unet", "in_channels": 1, "classes": 2, "width": 2, "depth": 2}
TRAINING = {"steps": 6, "optimizer": "sgd", "learning_rate": 0.02, "validate_every": 3, "checkpoint_every": 6}
WEIGHTS = {"form": "2015", "w0": 10.0, "sigma": 5.0, "class_balance": True, "gap": 2, "border_class": 0}


@pytest.fixture(scope="module", params=["group", "auto"])
def twins(tmp_path_factory, request):
    """Two studies of the same cells; in the second each file has a brightness and a contrast of its own."""
    images, labels = cell_images(slices=FILES, size=80, cells=9, seed=0)
    exposures = [(1, 0)] * FILES, [(1 + k, 700 * k) for k in range(FILES)]
    dataset = DATASET | {"format": "folder", "options": {}, "normalisation": "group"}
    made = []
    for study, exposed in enumerate(exposures):
        folder = tmp_path_factory.mktemp("study")
        for kind in ("images", "labels"):
            (folder / kind).mkdir()
        for k, (contrast, brightness) in enumerate(exposed):
            tifffile.imwrite(folder / f"images/{k}.tif", images[k].astype(np.uint16) * contrast + brightness)
            tifffile.imwrite(folder / f"labels/{k}.tif", labels[k].astype(np.uint16))
        if study == 1:
            dataset["normalisation"] = request.param
        run_study(folder, dataset)
        made.append(folder)
    return made


def run_study(folder, dataset):
    volume, splits, targets = (folder / name for name in ("volume.zarr", "splits.json", "targets.zarr"))
    prepare(folder, volume, splits, folder / "checks.csv", dataset)
    weight_maps(volume, splits, targets, "0", WEIGHTS)
    augment_chunk(volume, splits, targets, folder / "chunk.zarr", "0", range(6), "seed", AUGMENTATION)
    inputs = Inputs([folder / "chunk.zarr"], volume, splits, targets, None)
    described = {"architecture": dict(ARCHITECTURE), "fold": "0", "seed": 0}
    train(inputs, folder, folder / "curves", described, TRAINING, "cpu")
    predict_slices(volume, splits, folder / "model.safetensors", folder / "p.zarr", "0", PREDICTION, "cpu", "key")


def test_exposure_changes_nothing(twins):
    samples = [Samples([folder / "chunk.zarr"]) for folder in twins]
    for one, other in zip(*samples):
        np.testing.assert_allclose(one[0], other[0], atol=0.01)  # kept as float16
    predictions = [Prediction(folder / "p.zarr") for folder in twins]
    for name in predictions[0].names:
        one, other = (prediction.foreground(name) for prediction in predictions)
        assert np.abs(one - other).mean() < one.std() / 50
    histories = [pd.read_csv(folder / "history.csv") for folder in twins]
    assert len(histories[0]) == 2 and histories[0]["validation_loss"].notna().all()
    pd.testing.assert_frame_equal(*histories, rtol=0.005)


def test_objects_are_chosen_by_images_normalised_each_by_itself(twins, tmp_path, monkeypatch):
    folder, seen = twins[1], []

    def noted(options, network, image, moments):
        seen.append(moments)
        return predict_as(options, network, image, moments)

    monkeypatch.setattr(choose_segmentation, "predict_as", noted)
    files = ("volume.zarr", "splits.json", "model.safetensors")
    inputs = choose_segmentation.Inputs(*(folder / name for name in files))
    options = {"choose": {"metric": "op_csb", "among": {"threshold": [0.4]}}}
    outputs = tmp_path / "chosen.json", tmp_path / "trials.csv"
    choose_segmentation.choose_segmentation(inputs, *outputs, "0", PREDICTION, options, "cpu")
    split, volume = read_split(folder / "splits.json", "0"), Volume(folder / "volume.zarr")
    images = [volume.image(name) for name in split["validation"] + split["train"]]
    assert seen == [pytest.approx((image.mean(), image.std())) for image in images]


def test_the_model_and_the_checks_say_so(twins):
    network = modelfile.load(twins[1] / "model.safetensors")
    assert network.description["normalisation"] == {"by": "group"} and network.normalisation is None
    assert "each file or sequence less its own mean" in (twins[1] / "checks.csv").read_text()
    volume = Volume(twins[1] / "volume.zarr")
    assert volume.normalisation is None
    assert zarr.open_group(twins[1] / "volume.zarr", mode="r").attrs["unetflow"]["normalisation"] == "group"
