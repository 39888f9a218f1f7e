"""Recipes that follow from the data: what they follow from, that every one of them can be trained, and their files."""

import numpy as np
import pytest
import torch
import yaml
from conftest import ROOT
from find_recipe import find_recipe
from hypothesis import given, settings
from hypothesis import strategies as st
from unetflow import IGNORE, geometry, memory, models
from unetflow.augment import draw, sample
from unetflow.errors import InputError
from unetflow.experiment import found
from unetflow.training import auto
from unetflow.training.fit import Training
from unetflow.training.recipe import Recipe
from unetflow.weights import separate_touching, weight_map

SCHEMA = yaml.safe_load((ROOT / "workflow/schemas/config.schema.yaml").read_text())
PLENTY = 2**36


def squares(side, size, gap, count):
    """int32[size, size] with ``count`` squares in a row."""
    labels = np.zeros((size, size), np.int32)
    for k in range(count):
        left = 2 + k * (side + gap)
        labels[2 : 2 + side, left : left + side] = k + 1
    return labels


def test_what_a_recipe_follows_from():
    apart, touching = squares(10, 64, 2, 3), squares(10, 64, 0, 3)
    touching[40:] = IGNORE
    seen = auto.statistics([apart, touching])
    sizes = {"slices": 2, "side": 64, "pixels": 64 * 104, "covered": 0.09, "objects": 6}
    assert seen == sizes | {"diameter": 11.3, "median": 11.3, "touching": True}
    assert not auto.statistics([apart])["touching"]
    fragments = squares(20, 64, 2, 1)
    fragments[50, ::2] = np.arange(2, 34)
    seen = auto.statistics([fragments])
    assert (seen["diameter"], seen["median"]) == (22.6, 1.1), "of pixels and of objects"
    assert auto.statistics([np.zeros((9, 9), np.int32)])["diameter"] == 0


@settings(max_examples=25, deadline=None)
@given(
    st.floats(0, 400), st.floats(0, 1), st.floats(0, 1), st.integers(8, 4000), st.integers(64, 10**9), st.booleans(),
    st.sampled_from(["instances", "binary"]), st.sampled_from(["cpu", "cuda"]),
)  # fmt: skip
def test_every_recipe_is_allowed_and_fits_together(diameter, smaller, covered, side, pixels, touching, labels, device):
    seen = {"diameter": diameter, "median": smaller * diameter, "side": side, "pixels": pixels, "touching": touching}
    seen["covered"] = covered
    recipe = auto.derive(seen, labels, device, PLENTY)
    layout = models.build("unet", **recipe["network"]).geometry
    size = recipe["augmentation"]["input"]
    assert layout.valid_size(size) == size and size - 2 * layout.context >= min(side, auto.OUTPUT[device])
    assert recipe["network"]["depth"] == 2 or 2 * layout.context <= side
    enough = layout.context >= diameter or recipe["network"]["depth"] == 5
    assert enough or 2 * geometry.unet(recipe["network"]["depth"] + 1).context > side
    share = recipe["training"]["steps"] / auto.STEPS[device]
    assert auto.SHORTEST <= share <= auto.LONGEST and 1 <= recipe["training"]["batch"] <= auto.LARGEST_BATCH
    assert recipe["weights"].get("gap", 0) <= max(1, smaller * diameter / 5)
    assert labels == "binary" or recipe["weights"]["class_balance"] == (0.5 < covered < 0.95)
    assert (recipe["augmentation"]["contacts"] > 0) == (labels == "instances" and not touching)


@pytest.mark.parametrize(
    ("covered", "balanced"), [(0.1, False), (0.5, False), (0.51, True), (0.94, True), (0.96, False), (1.0, False)]
)
def test_classes_are_balanced_where_background_is_rare_but_not_all_gone(covered, balanced):
    assert auto.weights({"median": 20, "covered": covered})["class_balance"] == balanced


def test_less_memory_makes_it_narrower_until_nothing_fits():
    seen = {"diameter": 50, "median": 50, "covered": 0.5, "side": 512, "pixels": 10**6, "touching": True}
    recipes = [auto.derive(seen, "instances", "cuda", room) for room in (2**36, 2**31, 2**30)]
    widths = [recipe["network"]["width"] for recipe in recipes]
    assert widths[0] == 64 > widths[1] > widths[2]
    rates = [recipe["training"]["learning_rate"] for recipe in recipes]
    assert rates == [0.001 * min(1, 16 / width) for width in widths] and rates[0] == 0.00025, "wider ones learn slower"
    with pytest.raises(InputError, match=r"MB are left for training, but the narrowest network needs \d+ MB"):
        auto.derive(seen, "instances", "cpu", 10**6)


def test_memory_of_a_step_is_not_underestimated():
    """Against what PyTorch itself holds for the backward pass: every tensor that is saved, and the gradients."""
    network, image = models.build("unet", width=4, depth=2), torch.zeros(2, 1, 60, 60)
    saved = {}
    with torch.autograd.graph.saved_tensors_hooks(
        lambda t: saved.setdefault(t.data_ptr(), t.nbytes) and t, lambda t: t
    ):
        network.train()(image)
    assert memory.training_bytes(network, 2, (60, 60)) - memory.SCRATCH > sum(saved.values())


def written(folder, **changes):
    seen = {"diameter": 9.0, "median": 9.0, "covered": 0.2, "side": 40, "pixels": 5000, "touching": True}
    recipe = auto.derive(seen, "instances", "cpu", PLENTY)
    path = folder / "auto.yaml"
    path.write_text(auto.in_yaml({**recipe, **changes}, ["told"]))
    return path, recipe


def test_what_is_written_is_read_again_and_can_be_trained(tmp_path):
    path, recipe = written(tmp_path)
    assert path.read_text().startswith("# told\n") and found.read(path) == recipe
    found.check(path, SCHEMA)
    assert found.followed({"steps": 1, "keep": "last"}, [str(path)], "training") == recipe["training"] | {
        "keep": "last"
    }
    assert found.followed({"steps": 1}, [], "training") == {"steps": 1}
    unet = {"name": "unet", "in_channels": 1, "classes": 2}
    assert found.architecture_found(unet, [path]) == unet | recipe["network"]
    assert found.architecture_found(unet | {"classes": 4}, [path])["classes"] == 4
    several = found.architecture_found({"name": "ensemble", "classes": 2, "members": 2, "of": unet}, [path])
    assert several["of"] == unet | recipe["network"] and "width" not in several

    bordered, _ = written(tmp_path, weights={"form": "2015", "border_class": 2})
    assert found.architecture_found(unet, [bordered])["classes"] == 3
    several = found.architecture_found({"name": "ensemble", "classes": 2, "members": 2, "of": unet}, [bordered])
    assert several["classes"] == several["of"]["classes"] == 3
    with pytest.raises(InputError, match="border_class is 2, but the data set has 3 classes"):
        found.architecture_found(unet | {"classes": 4}, [bordered])

    labels = squares(9, 40, 0, 3)
    parted = separate_touching(labels, recipe["weights"].pop("gap"))
    weight = weight_map(parted, **recipe["weights"])
    options = {"mirror": True, "border": "mirror"} | recipe["augmentation"]
    drawn = draw(np.random.default_rng(0), options, weight > 0)
    arrays = sample(
        drawn, options, np.random.default_rng(0).normal(size=labels.shape), (parted > 0).astype(np.uint8), weight
    )
    training = Training(models.build("unet", **recipe["network"]), Recipe(**recipe["training"]), 0, "cpu")
    assert torch.isfinite(training.update(*training.batches([arrays])[0])())


@pytest.mark.parametrize(
    "text, said",
    [
        ("network: [", r"auto.yaml is no YAML any more"),
        ("network: {}", r"auto.yaml lacks the section 'weights'; correct it, or delete the file"),
        ("{}", r"lacks the section 'network'"),
    ],
)
def test_a_spoiled_file_is_refused(tmp_path, text, said):
    (tmp_path / "auto.yaml").write_text(text)
    with pytest.raises(InputError, match=said):
        found.read(tmp_path / "auto.yaml")


def test_a_key_that_is_edited_wrongly_is_named(tmp_path):
    path, _ = written(tmp_path, training={"step": 5})
    with pytest.raises(InputError, match=r"auto.yaml: training/auto has an unknown key 'step'; did you mean"):
        found.check(path, SCHEMA)
    path, _ = written(tmp_path, augmentation={"neighbours": 1})
    with pytest.raises(InputError, match=r"auto.yaml: augmentation/neighbours .* {auto: {neighbours: 1}}"):
        found.check(path, SCHEMA)
    path, _ = written(tmp_path, network={"widht": 5})
    with pytest.raises(InputError, match=r"auto.yaml: network is 'widht', which doesn't exist; did you mean 'width'"):
        found.check(path, SCHEMA)


def test_the_job_looks_at_training_slices_only_and_tells_the_time(tmp_path, monkeypatch, caplog):
    import find_recipe as script

    labels = {"a": squares(10, 64, 0, 3), "b": squares(30, 64, 0, 1)}

    class OfTwo:
        def __init__(self, path):
            self.labels = labels.__getitem__

    monkeypatch.setattr(script, "Volume", OfTwo)
    monkeypatch.setattr(script, "read_split", lambda path, fold: {"train": ["a"], "test": ["b"]})
    monkeypatch.setattr(script, "seconds_per_step", lambda derived, device: 0.1)
    with caplog.at_level("INFO", "unetflow"):
        find_recipe("v", "s", tmp_path / "auto.yaml", "0", "instances", "cpu", PLENTY)
    text = (tmp_path / "auto.yaml").read_text()
    assert "diameter 11.3" in text and "touching True" in text and "minutes of training on cpu" in caplog.text
    assert found.read(tmp_path / "auto.yaml")["network"]["depth"] == 2
