"""The scripts' functions on small data, without Snakemake."""

import json

import numpy as np
import pandas as pd
import pytest
import torch
import zarr
from augment import augment_chunk
from collect import collect
from ensemble import ensemble
from evaluate import evaluate
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from predict import predict_slices
from prepare import prepare
from segment import segment_slices
from train import starting_network, validate
from unetflow import BACKGROUND, IGNORE, OBJECT, models
from unetflow.datasets.stacks import Samples, Slice, Volume, write_volume
from unetflow.errors import InputError
from unetflow.images.ngff import create_image, create_plain
from unetflow.inference import predict, predict_as
from unetflow.metrics.slices import parted
from unetflow.objects import segment
from unetflow.predictions import Prediction
from unetflow.sharing import exchange, modelfile, packages
from unetflow.training.batches import largest_valid
from unetflow.training.losses import weighted_cross_entropy
from unetflow.weights import pixel_classes, separate_touching, weight_map
from weight_map import weight_maps

DATASET = {
    "format": "generated",
    "options": {"kind": "cell_images", "slices": 4, "size": 80, "cells": 9, "seed": 0},
    "voxel_size": [1, 0.5, 0.5],
    "unit": "micrometer",
    "labels": "instances",
    "classes": None,
    "ignore": None,
    "normalisation": "auto",
    "split": {"method": "images", "folds": 2, "guard": 0, "validation": 1, "seed": 0},
}
AUGMENTATION = {
    "input": 44,
    "rotation": 180.0,
    "mirror": True,
    "scale": 0.0,
    "contrast": 0.1,
    "brightness": 0.1,
    "noise": 0.1,
    "contacts": 0,
    "neighbours": 0,
    "border": "mirror",
    "elastic": {"form": "gaussian", "alpha": 20.0, "sigma": 4.0},
}
PREDICTION = {
    "spread": False,
    "tile": [32, 32],
    "symmetries": ["0", "90"],
    "precision": "float32",
    "engine": "torch",
    "border": "mirror",
}
IDS = {"dataset": "cells", "fold": "0", "model": "tiny", "seed": 0}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A prepared data set, its targets, and an untrained model."""
    folder = tmp_path_factory.mktemp("chain")
    prepare(None, folder / "volume.zarr", folder / "splits.json", folder / "checks.csv", DATASET)
    weights = {"form": "2015", "w0": 10.0, "sigma": 5.0, "class_balance": True, "gap": 2, "border_class": 0}
    weight_maps(folder / "volume.zarr", folder / "splits.json", folder / "targets.zarr", "0", weights)
    architecture = {"name": "unet", "in_channels": 1, "classes": 2, "width": 2, "depth": 2}
    mean, sd = Volume(folder / "volume.zarr").normalisation
    description = {"architecture": architecture, "normalisation": {"mean": mean, "sd": sd}}
    modelfile.save(folder / "model.safetensors", models.build(**architecture).state_dict(), description)
    return folder


def split(folder, part):
    return json.loads((folder / "splits.json").read_text())["0"][part]


def test_normalisation_is_that_of_all_slices(folder):
    volume = Volume(folder / "volume.zarr")
    pixels = np.stack([volume.image(name) for name in volume.names]).astype(float)
    assert volume.normalisation == pytest.approx((pixels.mean(), pixels.std()))


def test_the_volume_says_which_fold_tests_on_a_slice(folder):
    splits = json.loads((folder / "splits.json").read_text())
    for entry in Volume(folder / "volume.zarr").meta["slices"]:
        assert entry["name"] in splits[str(entry["fold"])]["test"]


def test_targets_are_parted_and_weighted_as_the_training_set_says(folder):
    volume, targets = Volume(folder / "volume.zarr"), zarr.open_group(folder / "targets.zarr", mode="r")
    parted = {name: separate_touching(volume.labels(name), 2) for name in split(folder, "train")}
    stacked = np.stack(list(parted.values()))
    balance = [stacked.size / (2 * (stacked == 0).sum()), stacked.size / (2 * (stacked > 0).sum())]
    for name, labels in parted.items():
        z = volume.index[name]
        np.testing.assert_array_equal(targets["target"][z], labels > 0)
        np.testing.assert_allclose(targets["weight"][z], weight_map(labels, class_weights=balance), rtol=1e-6)
    for name in split(folder, "test"):
        assert not targets["weight"][volume.index[name]].any(), "the test part must not be seen"


def chunk(folder, path, first, count, seed="0/cells/0", **options):
    paths = (folder / "volume.zarr", folder / "splits.json", folder / "targets.zarr")
    augment_chunk(*paths, path, "0", range(first, first + count), seed, AUGMENTATION | options)
    return path


def test_samples_are_the_same_however_they_are_cut_into_chunks(folder, tmp_path):
    whole = Samples([chunk(folder, tmp_path / "a.zarr", 0, 5)])
    parts = Samples([chunk(folder, tmp_path / "b.zarr", 0, 2), chunk(folder, tmp_path / "c.zarr", 2, 3)])
    other = Samples([chunk(folder, tmp_path / "d.zarr", 0, 5, seed="1/cells/0")])
    for k in range(5):
        for one, same in zip(whole[k], parts[k]):
            np.testing.assert_array_equal(one, same)
        assert (whole[k][0] != other[k][0]).any()


def test_samples_come_from_training_slices_and_keep_their_drawings(folder, tmp_path):
    draws = zarr.open_group(chunk(folder, tmp_path / "a.zarr", 7, 6)).attrs["draws"]
    assert [d["sample"] for d in draws] == list(range(7, 13))
    assert {d["slice"] for d in draws} <= set(split(folder, "train"))
    assert {"centre", "angle", "mirror", "elastic_seed", "contrast"} <= set(draws[0])


def test_contacts_add_objects_and_borders_and_leave_the_drawings(folder, tmp_path):
    paths = [chunk(folder, tmp_path / f"{n}.zarr", 0, 8, contacts=n) for n in (0, 3)]
    (_, without, plain), (_, target, weight) = (map(np.stack, zip(*Samples([path]))) for path in paths)
    draws = [zarr.open_group(path, mode="r").attrs["draws"] for path in paths]
    assert draws[0] == draws[1]
    same = (target == without).all(axis=(1, 2))
    assert target.sum() > without.sum() and not same.all()
    assert weight[target == 0].mean() > plain[without == 0].mean(), "gaps between objects that touch weigh more"


def predicted(folder, target):
    paths = (folder / "volume.zarr", folder / "splits.json", folder / "model.safetensors")
    predict_slices(*paths, target, "0", PREDICTION, "cpu", "key")
    return Prediction(target)


def test_prediction_is_that_of_the_library(folder, tmp_path):
    volume, result = Volume(folder / "volume.zarr"), predicted(folder, tmp_path / "p.zarr")
    assert result.names == split(folder, "test") and result.unit == "micrometer"
    network = modelfile.load(folder / "model.safetensors")
    for name in result.names:
        expected = predict(network, volume.image(name), tta=["0", "90"])[1]
        np.testing.assert_allclose(result.foreground(name), expected, atol=1e-5)


def test_the_spread_is_a_channel_of_its_own(folder, tmp_path):
    paths = (folder / "volume.zarr", folder / "splits.json", folder / "model.safetensors")
    predict_slices(*paths, tmp_path / "p.zarr", "0", PREDICTION | {"spread": True}, "cpu", "key")
    result, plain = Prediction(tmp_path / "p.zarr"), predicted(folder, tmp_path / "q.zarr")
    assert plain.spread(result.names[0]) is None
    volume, network = Volume(folder / "volume.zarr"), modelfile.load(folder / "model.safetensors")
    for name in result.names:
        views = [predict(network, volume.image(name), tta=[view])[1] for view in PREDICTION["symmetries"]]
        np.testing.assert_allclose(result.spread(name), np.std(views, axis=0), atol=1e-5)
        np.testing.assert_array_equal(result.foreground(name), plain.foreground(name))


def test_a_border_class_goes_from_the_targets_to_the_objects(folder, tmp_path):
    volume, names = Volume(folder / "volume.zarr"), split(folder, "test")
    weights = {"form": "2015", "w0": 10.0, "sigma": 5.0, "class_balance": True, "gap": 0, "border_class": 2}
    weight_maps(folder / "volume.zarr", folder / "splits.json", tmp_path / "t.zarr", "0", weights)
    trained = split(folder, "train")[0]
    height, width = volume.shape(trained)
    target = zarr.open_group(tmp_path / "t.zarr", mode="r")["target"][volume.index[trained], :height, :width]
    np.testing.assert_array_equal(target, pixel_classes(volume.labels(trained), 2))

    description = modelfile.load(folder / "model.safetensors").description
    architecture = description["architecture"] | {"classes": 3}
    torch.manual_seed(0)
    network = models.build(**architecture).eval()
    modelfile.save(tmp_path / "m.safetensors", network.state_dict(), description | {"architecture": architecture})
    paths = (folder / "volume.zarr", folder / "splits.json", tmp_path / "m.safetensors")
    predict_slices(*paths, tmp_path / "p.zarr", "0", PREDICTION | {"spread": True}, "cpu", "key")
    result, network = Prediction(tmp_path / "p.zarr"), modelfile.load(tmp_path / "m.safetensors")
    assert result.channels == ["background", "object", "border", "spread"]
    seen = result.foreground(names[0]), result.inside(names[0])
    how = {"threshold": float(np.median(seen[0])), "seed_threshold": float(np.quantile(seen[1], 0.8))}
    segment_slices(tmp_path / "p.zarr", tmp_path / "s.zarr", how)
    objects = Prediction(tmp_path / "s.zarr")
    for name in names:
        background, inside, border, spread = (result.channel(kind, name) for kind in result.channels)
        np.testing.assert_allclose(background + inside + border, 1, atol=1e-6)
        np.testing.assert_array_equal(result.inside(name), inside)
        assert spread.max() > 0
        expected = segment(inside + border, inside=inside, **how)[0]
        assert expected.max() > 1 and (expected != segment(inside + border, **how)[0]).any()
        np.testing.assert_array_equal(objects.labels(name), expected)

    # As other programs see it, and as it is judged during training: by the network's own classes.
    seen = tuple(map(slice, largest_valid(network, (height, width))))
    raw = torch.from_numpy(volume.image(trained)[seen].astype(np.float32))[None, None]
    mean, sd = network.normalisation
    with torch.no_grad():
        logits = network((raw - mean) / sd)
        background, found, border = exchange.Deployable(network)(raw)[0]
    own = torch.softmax(logits, dim=1)[0]
    for channel, value in ((background, own[0]), (found, own[1]), (border, own[2])):
        np.testing.assert_allclose(channel, value, atol=1e-6)
    inner = tuple(slice(network.context, part.stop - network.context) for part in seen)
    weight = np.zeros(target.shape, np.float32)
    weight[inner] = 1
    write_targets(tmp_path / "one.zarr", volume, trained, target, weight)
    expected = weighted_cross_entropy(logits, *(torch.from_numpy(a[inner])[None] for a in (target, weight)))
    judged = validate(network, volume, tmp_path / "one.zarr", [trained])
    assert judged["validation_loss"] == pytest.approx(float(expected), abs=1e-5)


def write_targets(path, volume, name, target, weight):
    """Training targets of one slice."""
    shape = volume.group["0"].shape
    group = create_plain(path, target=(shape, np.uint8), weight=(shape, np.float32))
    where = (volume.index[name], *map(slice, target.shape))
    group["target"][where], group["weight"][where] = target, weight


def test_an_ensemble_is_the_mean_of_its_members(folder, tmp_path):
    description = modelfile.load(folder / "model.safetensors").description | {"fold": "0"}
    members = [tmp_path / f"{k}.safetensors" for k in range(3)]
    for seed, path in enumerate(members):
        torch.manual_seed(seed)
        modelfile.save(path, models.build(**description["architecture"]).state_dict(), description | {"seed": seed})
    ensemble(members, tmp_path / "model.safetensors", "0")
    network, image = modelfile.load(tmp_path / "model.safetensors"), Volume(folder / "volume.zarr").image("000")
    assert (
        network.description["seeds"] == [0, 1, 2] and network.normalisation == modelfile.load(members[0]).normalisation
    )
    apart = np.stack([predict(modelfile.load(path), image) for path in members])
    together = predict(network, image, spread=True)
    np.testing.assert_allclose(together[:2], apart.mean(axis=0), atol=1e-6)
    np.testing.assert_allclose(together[2], apart[:, 1].std(axis=0), atol=1e-6)
    wider = description["architecture"] | {"width": 3}
    modelfile.save(members[1], models.build(**wider).state_dict(), description | {"architecture": wider, "fold": "1"})
    with pytest.raises(InputError, match=f"{members[1].name} is not the same network as .*{members[0].name}"):
        ensemble(members, tmp_path / "other.safetensors", "all")
    with torch.no_grad():  # as other programs see it, which know of one graph only
        raw = torch.from_numpy(image[:100, :100].astype(np.float32))[None, None]
        probability = exchange.Deployable(network)(raw)[0, 1].numpy()
    inner = slice(network.context, network.context + len(probability))
    np.testing.assert_allclose(probability, together[1, inner, inner], atol=1e-5)


def test_interrupted_prediction_goes_on_and_checks_what_it_finds(folder, tmp_path, monkeypatch):
    import predict as script

    straight, calls = predicted(folder, tmp_path / "straight.zarr"), []

    def failing(options, network, image, moments):
        calls.append(1)
        if len(calls) == 2:
            raise RuntimeError("power cut")
        return predict_as(options, network, image, moments)

    monkeypatch.setattr(script, "predict_as", failing)
    with pytest.raises(RuntimeError):
        predicted(folder, tmp_path / "p.zarr")
    result = predicted(folder, tmp_path / "p.zarr")
    assert len(calls) == len(result.names) + 1, "only the broken slice is done again"
    np.testing.assert_array_equal(result.array[:], straight.array[:])

    calls.clear()
    with pytest.raises(RuntimeError):
        predicted(folder, tmp_path / "q.zarr")
    (shard,) = [f for f in next(tmp_path.glob(".q.zarr.*")).rglob("c/1/0/*/*") if f.is_file()]
    shard.unlink()  # half of what the journal calls done is lost
    calls += [1, 1]
    np.testing.assert_array_equal(predicted(folder, tmp_path / "q.zarr").array[:], straight.array[:])


def test_a_fold_without_test_slices_is_refused(folder, tmp_path):
    paths = (folder / "volume.zarr", folder / "splits.json", folder / "model.safetensors")
    with pytest.raises(InputError, match=r"fold all .* has no test slices"):
        predict_slices(*paths, tmp_path / "p.zarr", "all", PREDICTION, "cpu", "key")


def test_training_starts_from_a_model_file_of_the_same_network_only(folder):
    architecture = packages.describe(folder / "model.safetensors")["architecture"]
    network, saved = (
        starting_network(architecture, folder / "model.safetensors"),
        modelfile.load(folder / "model.safetensors"),
    )
    for one, other in zip(network.parameters(), saved.parameters()):
        np.testing.assert_array_equal(one.detach(), other.detach())
    with pytest.raises(InputError, match="another network"):
        starting_network(architecture | {"width": 3}, folder / "model.safetensors")


def test_evaluation_of_the_truth_itself_is_perfect(folder, tmp_path):
    volume, names = Volume(folder / "volume.zarr"), split(folder, "test")
    truth = predicted(folder, tmp_path / "p.zarr")
    array = zarr.open_group(tmp_path / "p.zarr", mode="a")["0"]
    for z, name in enumerate(names):
        array[1, z] = volume.labels(name) > 0
    segment_slices(tmp_path / "p.zarr", tmp_path / "s.zarr", {"threshold": 0.5, "connectivity": 1})
    objects = zarr.open_group(tmp_path / "s.zarr", mode="a")["0"]
    for z, name in enumerate(names):
        objects[z] = volume.labels(name)
    metrics = ["iou", "dice", "seg", "det"]
    paths = (folder / "volume.zarr", *(tmp_path / name for name in ("p.zarr", "s.zarr", "m.csv", "c.csv")))
    evaluate(*paths, metrics, IDS)
    table = pd.read_csv(tmp_path / "m.csv", dtype={"image": str})
    assert len(table) == len(metrics) * (len(truth.names) + 1)
    np.testing.assert_allclose(table["value"], 1.0, atol=1e-12)
    bins = pd.read_csv(tmp_path / "c.csv")
    assert set(bins["of"]) == {"probability"} and bins["pixels"].sum() == sum(volume.labels(n).size for n in names)
    np.testing.assert_array_equal(bins["mean"], bins["share"])

    for z, name in enumerate(names):
        array[1, z] = parted(volume.labels(name)) > 0
    errors = ["pixel_error", "rand_error", "warping_error"]
    evaluate(*paths, errors, IDS)
    table = pd.read_csv(tmp_path / "m.csv", dtype={"image": str})
    assert len(table) == len(errors) * (len(truth.names) + 1)
    np.testing.assert_allclose(table["value"], 0.0, atol=1e-12)


def test_cells_with_a_marker_but_no_outline_count_in_det_alone(tmp_path):
    outlines, found = np.zeros((2, 20, 20), np.int32)
    outlines[2:6, 2:6] = 1
    markers = outlines.copy()
    markers[12, 12] = 2
    found[2:6, 2:6] = 1
    values = evaluated(tmp_path, outlines, found, ["seg", "det", "op_csb"], markers)
    assert values == pytest.approx({"seg": 1, "det": 0.5, "op_csb": 0.75})


@pytest.mark.parametrize("merged", [False, True])
def test_objects_that_touch_are_not_one_to_measures_of_pieces(merged, tmp_path):
    labels = np.repeat(np.repeat(np.arange(1, 5).reshape(2, 2), 10, axis=0), 10, axis=1)  # no background at all
    found = np.ones((20, 20), np.int32)
    if not merged:
        found[9], found[:, 9] = 0, 0
    values = evaluated(tmp_path, labels, found, ["pixel_error", "rand_error", "warping_error", "v_rand", "v_info"])
    if merged:
        assert values["rand_error"] > 0.5 and values["v_rand"] < 0.5 and values["v_info"] == 0
        assert values["warping_error"] == pytest.approx(39 / 400)
    else:
        assert values == pytest.approx(
            {"pixel_error": 0, "rand_error": 0, "warping_error": 0, "v_rand": 1, "v_info": 1}
        )


def evaluated(folder, labels, found, metrics, markers=None):
    """Values of ``metrics`` by name, of ``found`` int[y, x] against ``labels`` and ``markers``."""
    shape = [{"name": "a", "shape": list(found.shape)}]
    write_volume(folder / "v", [Slice("a", "a", found, labels, markers=markers)], (1, 1, 1), "micrometer")
    probability = np.stack([found == 0, found > 0]).astype(np.float32)
    for store, values, kept in (("p", probability[:, None], (BACKGROUND, OBJECT)), ("s", found[None], None)):
        create_image(folder / store, values.shape, values.dtype, (1, 1, 1), "micrometer", kept)[:] = values
        zarr.open_group(folder / store).attrs["unetflow"] = {"slices": shape}
    evaluate(*(folder / name for name in ("v", "p", "s", "t.csv", "c.csv")), metrics, IDS)
    return pd.read_csv(folder / "t.csv").query("image == 'all'").set_index("metric")["value"].to_dict()


@pytest.mark.parametrize("metric, best", [("seg", max), ("rand_error_of_objects", min)])
def test_segmentation_is_chosen_on_validation_and_training_slices(metric, best, folder, tmp_path, monkeypatch):
    import choose_segmentation as script

    volume, seen = Volume(folder / "volume.zarr"), []

    def truth_on_a_haze(options, network, image, moments):
        name = next(n for n in volume.names if np.array_equal(volume.image(n), image))
        seen.append(name)
        inside = volume.labels(name) > 0
        return np.stack([np.where(inside, 0.3, 0.6), np.where(inside, 0.7, 0.4)])

    monkeypatch.setattr(script, "predict_as", truth_on_a_haze)
    options = {"threshold": 0.9, "connectivity": 1, "dimensions": 2, "reach": 64}
    options["choose"] = {"metric": metric, "among": {"min_size": [0, 2, 10**6], "threshold": [0.35, 0.5, 0.8]}}
    paths = (folder / "volume.zarr", folder / "splits.json", folder / "model.safetensors")
    outputs = tmp_path / "chosen.json", tmp_path / "trials.csv"
    script.choose_segmentation(script.Inputs(*paths), *outputs, "0", PREDICTION, options, "cpu")
    assert json.loads(outputs[0].read_text()) == {"threshold": 0.5, "connectivity": 1, "min_size": 0}
    trials = pd.read_csv(outputs[1])
    assert trials["threshold"].tolist() == [0.35, 0.5, 0.8, 0.5] and trials["min_size"].tolist() == [0, 0, 0, 2]
    assert trials["score"][1] == best(trials["score"]) > 0 and trials["score"].nunique() > 1
    assert seen == split(folder, "validation") + split(folder, "train")


def test_slices_that_choose_are_few_spread_and_not_silver():
    from choose_segmentation import slices_to_look_at

    slices = [{"name": k, "part": "silver" if k % 10 == 0 else "train"} for k in range(100)]
    found = slices_to_look_at({"validation": [98, 99], "train": list(range(98))}, slices)
    assert found[:2] == [98, 99] and len(found) == len(set(found)) == 32
    assert not any(k % 10 == 0 for k in found) and set(np.diff(found[2:])) <= {2, 3, 4, 5}
    assert slices_to_look_at({"validation": [], "train": [1, 2]}, slices) == [1, 2]
    assert slices_to_look_at({"validation": [1], "train": [10]}, slices) == [1]


@given(arrays(float, (3, 4, 2), elements=st.floats(0, 1)), st.permutations("abc"))
def test_no_single_option_improves_the_choice(scores, order):
    from choose_segmentation import climb

    among, asked = {key: list(range(scores.shape["abc".index(key)])) for key in order}, []

    def score(choice):
        asked.append(tuple(choice[key] for key in "abc"))
        return scores[asked[-1]]

    best, tried = climb(among, {"a": 1, "b": "not among them"}, score)
    assert asked[0] == (1, 0, 0) and len(asked) == len(set(asked)) == len(tried)
    for key, values in among.items():
        for value in values:
            choice = best | {key: value}
            assert scores[tuple(choice[key] for key in "abc")] <= scores[tuple(best[key] for key in "abc")]


def test_no_size_is_chosen_that_drops_what_is_annotated_elsewhere():
    from choose_segmentation import without_large_sizes

    labels = np.full((80, 80), IGNORE, np.int32)
    labels[0:2, 0:2] = 1  # cut off by the border
    labels[10:20, 10:20] = 2  # 100 pixels
    labels[30:60, 30:60] = 3
    among = {"threshold": [0.5], "min_size": [300, 100, 101, 30]}
    assert without_large_sizes(among, [labels]) == among | {"min_size": [100, 30]}
    assert without_large_sizes({"min_size": [300, 200]}, [labels]) == {"min_size": [100]}
    speck = np.zeros_like(labels)
    speck[40, 40] = 1  # one annotated in a hundred is no reason
    others = [np.where(labels > 1, labels, 0)] * 50
    assert without_large_sizes(among, [*others, speck]) == without_large_sizes(among, others)
    slips = np.zeros((200, 200), int)  # two specks among three objects are none either
    slips[5:105, 5:105], slips[5:105, 110:190], slips[110:190, 5:105], slips[150, 150], slips[150, 160] = 1, 2, 3, 4, 5
    assert without_large_sizes(among, [slips]) == among
    nothing = np.zeros_like(labels)
    assert without_large_sizes(among, [nothing]) == among
    assert without_large_sizes({"threshold": [0.5]}, [labels]) == {"threshold": [0.5]}


def test_collecting_does_not_depend_on_the_order(tmp_path):
    for k in "ba":
        pd.DataFrame({"image": [k], "value": ["0.10"]}).to_csv(tmp_path / f"{k}.csv", index=False)
    for order in ("ab", "ba"):
        collect([tmp_path / f"{k}.csv" for k in order], tmp_path / f"joined_{order}.csv", [])
    assert (tmp_path / "joined_ab.csv").read_bytes() == (tmp_path / "joined_ba.csv").read_bytes()
    assert (tmp_path / "joined_ab.csv").read_text() == "image,value\na,0.10\nb,0.10\n"
