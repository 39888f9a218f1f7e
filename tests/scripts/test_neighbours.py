"""Networks that see the slices above and below: each channel is what a network that sees a slice alone would see."""

import json

import numpy as np
import pandas as pd
import pytest
import torch
import zarr
from augment import augment_chunk
from check_tiling import check_tiling
from choose_segmentation import Inputs as ChoiceInputs
from choose_segmentation import choose_segmentation
from ensemble import ensemble
from plot_chunks import plot_chunks
from predict import predict_slices
from test_chain import AUGMENTATION, PREDICTION
from test_volumes import predicted, volume
from train import Inputs, train
from unetflow import augment, inference, memory, models
from unetflow.datasets.stacks import Samples, Slice, Volume, own, read_split, write_volume
from unetflow.errors import InputError
from unetflow.images.sources import open_source
from unetflow.metrics import ctc
from unetflow.normalisation import normalise
from unetflow.objects import segment
from unetflow.predictions import Prediction
from unetflow.sharing import exchange, modelfile, packages
from unetflow.volumes.plan import lay_out
from weight_map import weight_maps

SIZE, BESIDE = 60, 2
STACKS = {"a": 5, "b": 3}  # slices
PLAIN = AUGMENTATION | {"contrast": 0, "brightness": 0, "noise": 0, "input": 28}
WEIGHTS = {"form": "none", "w0": 10.0, "sigma": 5.0, "class_balance": False, "gap": 0, "border_class": 0}
NETWORK = {"name": "unet", "classes": 2, "width": 4, "depth": 1, "norm": "batch", "dropout": 0.0}


@pytest.fixture(scope="module", params=[1, 2], ids=["grey", "two channels"])
def stacks(request, tmp_path_factory):
    """Two stacks of noise, prepared; the first is trained on. An object is where the slice below is bright."""
    folder, rng = tmp_path_factory.mktemp("stacks"), np.random.default_rng(0)
    channels, slices, splits = () if request.param == 1 else (request.param,), [], {}
    for group, count in STACKS.items():
        images = rng.integers(0, 200, (count, *channels, SIZE, SIZE)).astype(np.uint8)
        images[..., SIZE // 2 :, :] //= 2
        labels = bright(images[mirrored(np.arange(count) + 1, count)])
        slices += [Slice(f"{group}/{z}", group, *pair) for z, pair in enumerate(zip(images, labels))]
        splits[group] = [f"{group}/{z}" for z in range(count)]
    write_volume(folder / "volume.zarr", slices, (1, 1, 1), None)
    parts = {"train": splits["a"], "validation": splits["b"], "test": splits["b"], "guard": []}
    (folder / "splits.json").write_text(json.dumps({"0": parts}))
    weight_maps(folder / "volume.zarr", folder / "splits.json", folder / "targets.zarr", "0", WEIGHTS)
    return folder


def bright(images):
    """int32[z, y, x]: 1 where the first channel of a slice is above its middle in large squares."""
    first = images if images.ndim == 3 else images[:, 0]
    squares = first.reshape(len(first), 6, SIZE // 6, 6, SIZE // 6).mean(axis=(2, 4))
    return np.kron(squares > np.median(squares), np.ones((SIZE // 6, SIZE // 6))).astype(np.int32)


def mirrored(places, count):
    """Numbers of slices, mirrored at the ends of a stack of ``count``, one by one."""
    ends = {-2: 2, -1: 1} | {count + k: count - 2 - k for k in range(2)}
    return [ends.get(int(place), int(place)) for place in places]


def made(folder):
    return [folder / name for name in ("volume.zarr", "splits.json", "targets.zarr")]


def test_a_slice_lies_between_those_of_its_own_stack(stacks):
    prepared = Volume(stacks / "volume.zarr")
    for group, count in STACKS.items():
        for z in range(count):
            seen = prepared.image(f"{group}/{z}", BESIDE)
            expected = [prepared.image(f"{group}/{k}") for k in mirrored(range(z - BESIDE, z + BESIDE + 1), count)]
            np.testing.assert_array_equal(seen, np.concatenate([one.reshape(-1, SIZE, SIZE) for one in expected]))
            np.testing.assert_array_equal(own(seen, BESIDE), prepared.image(f"{group}/{z}"))


def test_an_image_of_its_own_has_no_neighbours(tmp_path):
    image = np.arange(100, dtype=np.uint8).reshape(10, 10)
    write_volume(tmp_path / "v.zarr", [Slice(name, name, image, None) for name in "ab"], (1, 1, 1), None)
    assert Volume(tmp_path / "v.zarr").image("a").shape == (10, 10)
    with pytest.raises(InputError, match=r"a is an image of its own, .* take `neighbours` out"):
        Volume(tmp_path / "v.zarr").image("a", 1)


def test_every_slice_of_a_sample_comes_from_the_same_place(stacks, tmp_path):
    augment_chunk(*made(stacks), tmp_path / "chunk", "0", range(6), "seed", PLAIN | {"neighbours": 1})
    prepared, draws = Volume(stacks / "volume.zarr"), zarr.open_group(tmp_path / "chunk", mode="r").attrs["draws"]
    blank = np.zeros((SIZE, SIZE), np.uint8)
    for (image, *_), drawn in zip(Samples([tmp_path / "chunk"]), draws):
        z = int(drawn["slice"][-1])
        alone = {"contrast": 1.0, "brightness": 0.0}
        for part, k in zip(np.split(image, 3), mirrored([z - 1, z, z + 1], STACKS["a"])):
            grey = normalise(prepared.image(f"a/{k}"), prepared.normalisation)
            expected, *_ = augment.sample(drawn | alone, PLAIN, grey, blank, blank)
            np.testing.assert_allclose(part.reshape(expected.shape), expected, atol=2e-3)  # kept as float16
    plot_chunks(tmp_path / "chunk", tmp_path / "chunk.svg", 1)
    assert (tmp_path / "chunk.svg").stat().st_size > 1000


def seeing(one, channels, offset):
    """A network with two neighbours on either side that looks only at the slice ``offset`` further, as ``one`` does at
    each."""
    count = 2 * BESIDE + 1
    network = models.build(**NETWORK, in_channels=count * channels, neighbours=BESIDE)
    weights = one.state_dict()
    first = next(name for name, tensor in weights.items() if tensor.ndim == 4)
    parts = [torch.zeros_like(weights[first])] * count
    parts[BESIDE + offset] = weights[first]
    network.load_state_dict(weights | {first: torch.cat(parts, dim=1)})
    return network


def saved(path, network, normalisation):
    shape = {"in_channels": network.in_channels, "neighbours": network.neighbours}
    described = {"architecture": NETWORK | shape, "fold": "0", "seed": 0}
    described |= {"normalisation": modelfile.description_of(normalisation)}
    modelfile.save(path, network.state_dict(), described)
    return path


def simple(channels, normalisation):
    """A network of random weights that sees a slice alone."""
    torch.manual_seed(0)
    network = models.build(**NETWORK, in_channels=channels)
    with torch.no_grad():
        network(torch.randn(2, channels, 40, 40))
    network.normalisation = normalisation
    return network.eval()


@pytest.mark.parametrize("offset", [-2, 0, 1])
@pytest.mark.parametrize("engine", inference.ENGINES)
def test_slices_are_predicted_from_those_beside(stacks, tmp_path, offset, engine):
    prepared = Volume(stacks / "volume.zarr")
    one, options = simple(prepared.channels, prepared.normalisation), PREDICTION | {"engine": engine}
    model = saved(tmp_path / "m.safetensors", seeing(one, prepared.channels, offset), prepared.normalisation)
    predict_slices(*made(stacks)[:2], model, tmp_path / "p", "0", options, "cpu", "key")
    found = Prediction(tmp_path / "p")
    for z, name in enumerate(read_split(stacks / "splits.json", "0")["test"]):
        (beside,) = mirrored([z + offset], STACKS["b"])
        expected = inference.predict_as(options, one, prepared.image(f"b/{beside}"))
        np.testing.assert_allclose(found.foreground(name), expected[1], atol=1e-5)
        assert expected[1].std() > 0.01


def test_all_that_predict_slices_see_those_beside(stacks, tmp_path):
    prepared, splits = Volume(stacks / "volume.zarr"), stacks / "splits.json"
    one = simple(prepared.channels, prepared.normalisation)
    network, model = seeing(one, prepared.channels, 1), tmp_path / "model.safetensors"
    paths = [saved(tmp_path / f"{k}.safetensors", network, prepared.normalisation) for k in "ab"]
    ensemble(paths, model, "0")
    assert modelfile.load(model).neighbours == packages.describe(model)["architecture"]["neighbours"] == BESIDE
    check_tiling(prepared.path, splits, model, tmp_path / "tiling.csv", {}, "0", "cpu")
    assert pd.read_csv(tmp_path / "tiling.csv")["max_difference"].max() < 1e-5
    how, table = {"choose": {"metric": "seg", "among": {"threshold": [0.3, 0.6]}}}, tmp_path / "trials.csv"
    choose_segmentation(
        ChoiceInputs(prepared.path, splits, model), tmp_path / "c.json", table, "0", PREDICTION, how, "cpu"
    )
    parts, alone = read_split(splits, "0"), []
    for name in parts["validation"] + parts["train"]:
        group, z = name.split("/")
        (beside,) = mirrored([int(z) + 1], STACKS[group])
        alone.append(inference.predict_as(PREDICTION, one, prepared.image(f"{group}/{beside}"))[1])
    for threshold, score in pd.read_csv(table)[["threshold", "score"]].itertuples(index=False):
        objects = [segment(found, threshold=threshold)[0] for found in alone]
        truth = [prepared.labels(name) for name in parts["validation"] + parts["train"]]
        assert score == pytest.approx(ctc.seg(truth, objects))


@pytest.mark.parametrize("channels", [1, 2])
@pytest.mark.parametrize("by", ["dataset", "group"])
@pytest.mark.parametrize("block", [[2, 16, 24], [1, 32, 48], [9, 48, 48]])
def test_volumes_are_predicted_from_slices_of_other_blocks(tmp_path, channels, by, block):
    shape = (5, 40, 50) if channels == 1 else (5, channels, 40, 50)
    entry, values = volume(tmp_path, shape, seed=1)
    if channels > 1:
        entry |= {"axes": "zcyx", "channel": list(range(channels))}
    normalisation = None if by == "group" else (100.0, 60.0) if channels == 1 else ([100.0, 90.0], [60.0, 50.0])
    one, tta = simple(channels, normalisation), ["0", "90"]
    options = PREDICTION | {"symmetries": tta, "block": block, "tile": [16, 16], "store": "float32"}
    network = seeing(one, channels, 2)
    model = saved(tmp_path / "m.safetensors", network, normalisation)
    architecture = NETWORK | {"in_channels": network.in_channels, "neighbours": BESIDE}
    found = predicted(tmp_path, entry, model, options, slabs=2, architecture=architecture)
    expected = inference.predict(one, values, tta=tta)[:, mirrored(np.arange(5) + 2, 5)]
    np.testing.assert_allclose(zarr.open_group(found, mode="r")["0"][:], expected, atol=1e-5)


def test_a_plan_counts_the_slices_of_other_blocks(tmp_path):
    source = open_source(**volume(tmp_path, (6, 40, 50))[0])
    options = PREDICTION | {"block": [2, 64, 64], "store": "float32"}
    plain, wide = (models.build(**NETWORK, in_channels=2 * k + 1, neighbours=k) for k in (0, 1))
    read = [lay_out(source, network, options, 2**30)["bytes_read"] for network in (plain, wide)]
    assert read == [6 * 40 * 50, 10 * 40 * 50], "three blocks of two slices, of which two see one more, and one two"
    more = [memory.buffer_bytes(source, network, (2, 64, 64), options) for network in (plain, wide)]
    assert more[1] - more[0] == 3 * 2 * (64 + 2 * plain.context + plain.stride) ** 2


def test_images_of_different_sizes_have_no_neighbours(tmp_path):
    source = open_source(**volume(tmp_path, (2, 40, 50))[0])
    source.files, source.sizes = ("a.tif", "b.tif"), ((40, 50), (30, 50))
    network, options = models.build(**NETWORK, in_channels=3, neighbours=1), PREDICTION | {"block": None}
    with pytest.raises(InputError, match="different sizes, but the network sees the slices above and below"):
        lay_out(source, network, options | {"store": "float32"}, 2**30)


def test_it_learns_what_only_the_slice_below_shows(stacks, tmp_path):
    options = PLAIN | {"neighbours": 1, "rotation": 0, "mirror": False, "elastic": {"form": "none"}}
    augment_chunk(*made(stacks), tmp_path / "chunk", "0", range(24), "seed", options)
    prepared = Volume(stacks / "volume.zarr")
    shape = {"in_channels": 3 * prepared.channels, "neighbours": 1}
    described = {"architecture": NETWORK | shape, "fold": "0", "seed": 0}
    training = {"steps": 150, "optimizer": "adamw", "learning_rate": 0.005, "schedule": "cosine", "average": 0.9}
    inputs = Inputs([tmp_path / "chunk"], *made(stacks), None)
    train(inputs, tmp_path, tmp_path / "curves", described, training, "cpu")
    network = modelfile.load(tmp_path / "model.safetensors")
    assert network.neighbours == 1
    chances = np.stack([inference.predict(network, prepared.image(f"b/{z}", 1))[1] for z in range(STACKS["b"])])
    truth = np.stack([prepared.labels(f"b/{z}") > 0 for z in range(STACKS["b"])])
    assert chances[truth].mean() > chances[~truth].mean() + 0.1


def test_packages_say_which_channel_is_which_slice(stacks, tmp_path):
    prepared = Volume(stacks / "volume.zarr")
    network = seeing(simple(prepared.channels, None), prepared.channels, 0)
    names = exchange.channel_names(network)
    if prepared.channels == 1:
        assert names == [f"intensity_slice{z}" for z in ("-2", "-1", "+0", "+1", "+2")]
    else:
        assert names[:3] == ["channel0_slice-2", "channel1_slice-2", "channel0_slice-1"] and len(names) == 10
    network.normalisation = prepared.normalisation
    raw = torch.from_numpy(prepared.image("a/1", BESIDE).astype(np.float32))[None]
    model = saved(tmp_path / "m.safetensors", network, prepared.normalisation)
    expected = inference.Predictor(modelfile.load(model))(raw[0].numpy())
    with torch.no_grad():
        np.testing.assert_allclose(exchange.Deployable(network)(raw)[0], expected, atol=1e-5)
