"""Networks that see several channels: each goes through what it would go through alone, from files to objects."""

import shutil

import numpy as np
import pandas as pd
import pytest
import tifffile
import torch
import zarr
from augment import augment_chunk
from measure_objects import measure_objects
from predict import predict_slices
from prepare import prepare
from skimage.io import imread, imsave
from test_chain import AUGMENTATION, DATASET, PREDICTION
from test_volumes import predicted
from train import Inputs, train
from unetflow import inference, memory, models
from unetflow.datasets.stacks import Samples, Volume, read_split
from unetflow.datasets.synthetic import cell_images
from unetflow.images.colours import coloured
from unetflow.images.ngff import create_image
from unetflow.images.sources import Source, open_source
from unetflow.predictions import Prediction
from unetflow.sharing import modelfile
from view import shown
from weight_map import weight_maps

FILES, SIZE = 4, 80
CHANNELS = [2, 1]  # that networks see of the files' three, in this order: noise, and what shows the cells
PLAIN = AUGMENTATION | {"contrast": 0, "brightness": 0, "noise": 0}
WEIGHTS = {"form": "2015", "w0": 10.0, "sigma": 5.0, "class_balance": True, "gap": 2, "border_class": 0}
NETWORK = {"name": "unet", "classes": 2, "width": 4, "depth": 2, "norm": "batch", "dropout": 0.0}
VOXELS = {"voxel_size": [1, 0.5, 0.5], "unit": "micrometer"}


@pytest.fixture(scope="module", params=["dataset", "group"])
def folder(tmp_path_factory, request):
    """Colour images of cells, prepared with two of their channels and with the second of these alone."""
    folder, rng = tmp_path_factory.mktemp("channels"), np.random.default_rng(0)
    cells, labels = cell_images(slices=FILES, size=SIZE, cells=9, seed=0)
    for kind in ("images", "labels", "both", "one"):
        (folder / kind).mkdir()
    for k in range(FILES):
        image = rng.integers(20 * k, 20 * k + 90, (SIZE, SIZE, 3)).astype(np.uint8)
        image[..., 1] = cells[k] // 2 + 100 * (labels[k] > 0)
        imsave(folder / f"images/{k}.png", image, check_contrast=False)
        tifffile.imwrite(folder / f"labels/{k}.tif", labels[k].astype(np.uint16))
    for study, channel in (("both", CHANNELS), ("one", CHANNELS[1])):
        dataset = DATASET | {"format": "folder", "options": {"channel": channel}, "normalisation": request.param}
        volume, splits, targets = made(folder / study)
        prepare(folder, volume, splits, folder / study / "checks.csv", dataset)
        weight_maps(volume, splits, targets, "0", WEIGHTS)
    return folder


def made(study):
    return [study / name for name in ("volume.zarr", "splits.json", "targets.zarr")]


def test_channels_are_kept_in_the_order_that_was_asked_for(folder):
    both, one = (Volume(folder / study / "volume.zarr") for study in ("both", "one"))
    for name in both.names:
        file = tifffile.imread(folder / f"labels/{name}.tif")
        image, single = both.image(name), one.image(name)
        assert image.shape == (2, SIZE, SIZE) and single.shape == file.shape == (SIZE, SIZE)
        np.testing.assert_array_equal(image[1], single)
        np.testing.assert_array_equal(both.labels(name), one.labels(name))
        np.testing.assert_allclose([of[1] for of in both.moments(name)], one.moments(name))
        np.testing.assert_allclose([of[0] for of in both.moments(name)], (image[0].mean(), image[0].std()))
    assert (both.normalisation is None) == (one.normalisation is None)
    checks = dict(pd.read_csv(folder / "both/checks.csv").itertuples(index=False))
    assert checks["grey values"].endswith("in 2 channels") and checks["sizes (y, x)"] == f"{SIZE} x {SIZE}"
    axes = dict(zarr.open_group(both.path, mode="r").attrs)["ome"]["multiscales"][0]["axes"]
    assert "".join(axis["name"] for axis in axes) == "czyx"


def test_channels_that_are_files_of_their_own_are_one_image(folder, tmp_path):
    for name in ("cells", "noise", "labels"):
        (tmp_path / name).mkdir()
    for k in range(FILES):
        for name, channel in (("noise", CHANNELS[0]), ("cells", CHANNELS[1])):
            colours = imread(folder / f"images/{k}.png")
            imsave(tmp_path / f"{name}/{k}.png", colours[..., channel], check_contrast=False)
        shutil.copy(folder / f"labels/{k}.tif", tmp_path / "labels")
    dataset = DATASET | {"format": "folder", "options": {"images": ["noise", "cells"]}}
    volume, splits, _ = made(tmp_path)
    prepare(tmp_path, volume, splits, tmp_path / "checks.csv", dataset)
    apart, together = Volume(volume), Volume(folder / "both/volume.zarr")
    paths = [str(tmp_path / f"{name}/*.png") for name in ("noise", "cells")]
    source = open_source(paths, **VOXELS)
    for z, name in enumerate(apart.names):
        np.testing.assert_array_equal(apart.image(name), together.image(name))
        np.testing.assert_array_equal(source.read((z, 0, 0), (z + 1, SIZE, SIZE))[0], together.image(name))
        np.testing.assert_allclose(source.moments_of_slice(z), apart.moments(name))
    assert [layer.name for layer in shown({"path": paths})] == ["channel 0", "channel 1"]


@pytest.mark.parametrize("contacts", [0, 2])
def test_a_sample_has_each_channel_as_if_alone(folder, tmp_path, contacts):
    samples = {}
    for study in ("both", "one"):
        options = PLAIN | {"contacts": contacts}
        augment_chunk(*made(folder / study), tmp_path / study, "0", range(5), "seed", options)
        samples[study] = list(Samples([tmp_path / study]))
    for (image, target, weight), alone in zip(samples["both"], samples["one"]):
        assert image.shape == (2, PLAIN["input"], PLAIN["input"])
        for one, other in zip((image[1], target, weight), alone):
            np.testing.assert_array_equal(one, other)


def test_each_channel_varies_by_itself(folder, tmp_path):
    varied = PLAIN | {"contrast": 0.5, "brightness": 0.5}
    for name, options in (("plain", PLAIN), ("varied", varied)):
        augment_chunk(*made(folder / "both"), tmp_path / name, "0", range(5), "seed", options)
    draws = zarr.open_group(tmp_path / "varied", mode="r").attrs["draws"]
    for (plain, *_), (image, *_), drawn in zip(*(Samples([tmp_path / n]) for n in ("plain", "varied")), draws):
        contrast, brightness = (np.reshape(drawn[key], (2, 1, 1)) for key in ("contrast", "brightness"))
        assert contrast[0] != contrast[1] and brightness[0] != brightness[1]
        np.testing.assert_allclose(image, plain * contrast + brightness, atol=0.02)  # kept as float16


def blind_to_the_first(one):
    """A network of two channels, the first of which has weight 0, and the second that of the network ``one``."""
    both, weights = models.build(**NETWORK, in_channels=2), one.state_dict()
    first = next(name for name, tensor in weights.items() if tensor.ndim == 4)
    weights[first] = torch.cat([torch.zeros_like(weights[first]), weights[first]], dim=1)
    both.load_state_dict(weights)
    return both


@pytest.fixture
def networks(folder):
    """dict study -> path of a model of random weights, which predict the same."""
    torch.manual_seed(0)
    one = models.build(**NETWORK)
    with torch.no_grad():
        one(torch.randn(2, 1, 60, 60))
    paths = {}
    for study, network, channels in (("both", blind_to_the_first(one), 2), ("one", one, 1)):
        normalisation = Volume(folder / study / "volume.zarr").normalisation
        described = {"architecture": NETWORK | {"in_channels": channels}}
        described["normalisation"] = modelfile.description_of(normalisation)
        paths[study] = folder / study / "model.safetensors"
        modelfile.save(paths[study], network.state_dict(), described)
    return paths


@pytest.mark.parametrize("engine", inference.ENGINES)
@pytest.mark.parametrize("border", ["mirror", "zero"])
def test_a_channel_of_no_weight_changes_no_slice(folder, networks, tmp_path, engine, border):
    options = PREDICTION | {"engine": engine, "border": border}
    found = []
    for study, model in networks.items():
        volume, splits, _ = made(folder / study)
        predict_slices(volume, splits, model, tmp_path / study, "0", options, "cpu", "key")
        prediction = Prediction(tmp_path / study)
        found.append(np.stack([prediction.foreground(name) for name in prediction.names]))
    np.testing.assert_allclose(*found, atol=1e-5)
    assert found[0].std() > 0.01


def stored(folder, kind):
    """A `volumes` entry of the colour images, by pattern or as one array [z, y, x, c]."""
    if kind == "pattern":
        return {"path": str(folder / "images/*.png"), **VOXELS}
    stack = np.stack([imread(folder / f"images/{k}.png") for k in range(FILES)])
    zarr.create_array(str(folder / "both/stack.zarr"), data=stack, chunks=(1, 30, 30, 2), overwrite=True)
    return {"path": str(folder / "both/stack.zarr"), "axes": "zyxc", **VOXELS}


@pytest.mark.parametrize("kind", ["pattern", "array"])
def test_a_channel_of_no_weight_changes_no_volume(folder, networks, tmp_path, kind):
    options, found = PREDICTION | {"store": "float32", "block": [2, 32, 48], "tile": [16, 24]}, []
    for study, channel, channels in (("both", CHANNELS, 2), ("one", CHANNELS[1], 1)):
        entry, room = stored(folder, kind) | {"channel": channel}, tmp_path / study
        room.mkdir()
        architecture = NETWORK | {"in_channels": channels}
        whole = predicted(room, entry, networks[study], options, slabs=2, architecture=architecture)
        found.append(zarr.open_group(whole, mode="r")["0"][:])
    np.testing.assert_allclose(*found, atol=1e-5)
    images = open_source(**entry | {"channel": CHANNELS}).read((0, 0, 0), (FILES, SIZE, SIZE))
    if modelfile.load(networks["both"]).normalisation or kind == "array":
        network = modelfile.load(networks["both"])
        expected = inference.predict(network, images, tta=options["symmetries"])
        np.testing.assert_allclose(found[0], expected, atol=1e-5)


def test_objects_are_measured_in_each_channel(folder, tmp_path):
    _, labels = cell_images(slices=FILES, size=SIZE, cells=9, seed=0)
    objects, spacing = labels + np.arange(FILES)[:, None, None] * 100 * (labels > 0), (1.0, 0.5, 0.5)
    create_image(tmp_path / "s.zarr", labels.shape, "int64", spacing, "micrometer", shard=(2, 48, 48))[:] = objects
    found = {"classes": ["object"], "objects": [int(objects.max())]}
    zarr.open_group(tmp_path / "s.zarr", mode="a").attrs["unetflow"] = found
    entry, tables = stored(folder, "pattern"), {}
    for name, channel in (("both", CHANNELS), (2, 2), (1, 1)):
        table = tmp_path / f"{name}.csv"
        measure_objects(entry | {"channel": channel}, tmp_path / "s.zarr", table, 2, 1, "key")
        tables[name] = pd.read_csv(table)
    for channel in CHANNELS:
        for name in ("mean", "sd", "min", "max"):
            np.testing.assert_array_equal(tables["both"][f"{name}_{channel}"], tables[channel][name])
    same = [name for name in tables[1] if name not in ("mean", "sd", "min", "max")]
    pd.testing.assert_frame_equal(tables["both"][same], tables[1][same])


def test_it_learns_what_the_channels_show(folder, tmp_path):
    volume, splits, targets = made(folder / "both")
    augment_chunk(volume, splits, targets, tmp_path / "chunk.zarr", "0", range(12), "seed", AUGMENTATION)
    inputs = Inputs([tmp_path / "chunk.zarr"], volume, splits, targets, None)
    described = {"architecture": NETWORK | {"in_channels": 2}, "fold": "0", "seed": 0}
    training = {"steps": 150, "optimizer": "adamw", "learning_rate": 0.003, "schedule": "cosine", "average": 0.9}
    training |= {"clip": 1, "warmup": 20}  # without, a third of the seeds lose most of so small a network
    train(inputs, tmp_path, tmp_path / "curves", described, training, "cpu")
    network, prepared = modelfile.load(tmp_path / "model.safetensors"), Volume(volume)
    assert network.in_channels == 2 and network.normalisation == prepared.normalisation
    (name,) = read_split(splits, "0")["train"]
    found = inference.predict(network, prepared.image(name), moments=prepared.moments(name))
    cells = prepared.labels(name) > 0
    assert found[1][cells].mean() > 10 * found[1][~cells].mean()

    how = {"moments": prepared.moments(name), "engine": "openvino", "precision": "int8"}
    integers = inference.predict(network, prepared.image(name), **how)
    assert 0 < np.abs(integers - found).mean() < 0.02, "in 8 bits, by what was noted in training"
    start = Inputs([tmp_path / "chunk.zarr"], volume, splits, targets, tmp_path / "model.safetensors")
    train(start, tmp_path / "on", tmp_path / "curves", dict(described), training | {"steps": 2}, "cpu")
    assert modelfile.load(tmp_path / "on/model.safetensors").state_dict().keys() == network.state_dict().keys()


def test_an_image_of_other_channels_is_refused():
    network = models.build(**NETWORK, in_channels=2)
    with pytest.raises(ValueError, match=r"an image is \[2, y, x\], or a stack of such, .* this one is \(3, 9, 9\)"):
        inference.predict(network, np.zeros((3, 9, 9)))


def test_channels_that_are_decoded_with_others_take_memory():
    network, values = (
        models.build(**NETWORK, in_channels=2),
        np.random.default_rng(0).random((10, 4, 64, 64), np.float32),
    )
    near, far = (Source("raw", values, "czyx", {"c": [0, last]}) for last in (1, 9))
    options = PREDICTION | {"store": "float32"}
    more = memory.buffer_bytes(far, network, (4, 64, 64), options) - memory.buffer_bytes(
        near, network, (4, 64, 64), options
    )
    assert more >= 3 * 8 * values[0].nbytes, "three windows of eight channels"
    np.testing.assert_array_equal(far.read((0, 0, 0), (4, 9, 9)), values[[0, 9], :, :9, :9].swapaxes(0, 1))


def test_colours_of_pictures():
    rng = np.random.default_rng(0)
    photograph = rng.integers(0, 99, (3, 20, 30)).astype(np.uint8)
    np.testing.assert_array_equal(coloured(photograph), np.moveaxis(photograph, 0, -1))
    grey, pair, many = (coloured(rng.random((*channels, 20, 30))) for channels in ((), (2,), (5,)))
    assert {one.shape for one in (grey, pair, many)} == {(20, 30, 3)} and many.std(axis=-1).any()
    assert (grey == grey[..., :1]).all()
    assert (pair[..., 0] == pair[..., 2]).all() and (pair[..., 0] != pair[..., 1]).any()


def test_the_browser_gets_a_layer_for_each_channel(folder):
    entry = stored(folder, "pattern")
    layers = shown(entry | {"channel": CHANNELS})
    assert [layer.name for layer in layers] == ["channel 2", "channel 1"]
    for layer, channel in zip(layers, CHANNELS):
        (source,) = layer.levels
        expected = open_source(**entry, channel=channel).read((0, 0, 0), (1, SIZE, SIZE))
        np.testing.assert_array_equal(source.read((0, 0, 0), (1, SIZE, SIZE)), expected)
    assert [layer.name for layer in shown(entry | {"channel": 1})] == ["image"]
