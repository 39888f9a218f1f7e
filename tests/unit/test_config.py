"""The configuration: mistakes are named, defaults filled, and schema, code, pages and files agree."""

import importlib.util
import inspect
import re
from copy import deepcopy
from pathlib import Path

import pytest
import yaml
from conftest import ROOT
from unetflow import synthetic
from unetflow.augment import ELASTIC
from unetflow.config import NETWORK_OPTIONS, checked, gpu_of_jobs, presets
from unetflow.engines import ENGINES, PRECISIONS
from unetflow.errors import InputError
from unetflow.fit import Recipe
from unetflow.inference import ENCODINGS
from unetflow.losses import LOSSES
from unetflow.metrics.registry import METRICS
from unetflow.models import MODELS
from unetflow.readers import READERS
from unetflow.splits import METHODS
from unetflow.symmetries import SYMMETRIES
from unetflow.weights import FORMS

SCHEMA = yaml.safe_load((ROOT / "workflow/schemas/config.schema.yaml").read_text())
CONFIG = yaml.safe_load((ROOT / "config.yaml").read_text())


def merged(one, other):
    """As Snakemake merges a second configuration file."""
    result = dict(one)
    for key, value in other.items():
        result[key] = merged(result.get(key, {}), value) if isinstance(value, dict) else value
    return result


def changed(path, value):
    """The default configuration with one value changed ("drop" removes the key)."""
    config = deepcopy(CONFIG)
    *folders, last = path.split("/")
    place = config
    for folder in folders:
        place = place[int(folder) if isinstance(place, list) else folder]
    if value == "drop":
        del place[last]
    else:
        place[int(last) if isinstance(place, list) else last] = value
    return config


STUDIES = sorted(file.stem for file in (ROOT / "config").glob("*.yaml"))


@pytest.mark.parametrize(
    "files", [[], [ROOT / "tests/config.yaml"], *(presets(name, ROOT / "config") for name in STUDIES)]
)
def test_the_configurations_here_are_valid(files):
    config = CONFIG
    for file in files:
        config = merged(config, yaml.safe_load(Path(file).read_text()))
    complete = checked(config, SCHEMA)
    assert complete["datasets"]["isbi2012"]["path"] is None
    assert complete["training"]["paper"]["momentum"] == 0.99
    assert complete["runs"][0]["seeds"] == [0]


MISTAKES = {
    "unknown section": ("trainings", {}, "the top level has an unknown key 'trainings'; did you mean 'training'?"),
    "unknown key": (
        "training/paper/learningrate",
        1,
        "training/paper has an unknown key 'learningrate'; did you mean 'learning_rate'?",
    ),
    "missing key": ("models/small/network", "drop", "models/small lacks the key 'network'"),
    "wrong type": ("training/quick/steps", "many", "training/quick/steps: 'many' is not of type 'integer'"),
    "out of range": ("training/quick/momentum", 1.5, "training/quick/momentum: 1.5 is greater than"),
    "unknown network": ("models/small/network", "unett", "models/small/network is 'unett'; did you mean 'unet'?"),
    "unknown window": (
        "models/small",
        CONFIG["models"]["small"] | {"network": "sliding_window", "options": {"window": 64}},
        "models/small/options/window is 64, which doesn't exist; it must be one of: 65, 95",
    ),
    "unknown metric": ("metrics/em", ["rand_eror"], "did you mean 'rand_error'?"),
    "elastic": ("augmentations/quick/elastic", {"form": "grid"}, "fits none of its forms"),
    "unknown reference": ("models/small/training", "quik", "'quik', which doesn't exist; did you mean 'quick'?"),
    "unknown data set": ("runs/0/dataset", "isbi", "runs/0/dataset is 'isbi'"),
    "unknown model": ("runs/0/models", ["smal"], "runs/0/models is 'smal', which doesn't exist; did you mean 'small'?"),
    "no such fold": ("runs/0/folds", [3], "runs/0/folds names fold 3, but synthetic_em has folds 0 to 2"),
    "no source": ("datasets/isbi2012/download", None, "datasets/isbi2012 has neither path nor download"),
    "zero voxel": ("datasets/isbi2012/voxel_size", [50, 0, 4], "voxel_size/1: 0 is less than or equal"),
    "no folds": ("datasets/synthetic_em/split/folds", 0, "split/folds: 0 is less than the minimum"),
    "bad name": ("models/my model", CONFIG["models"]["small"], "models: 'my model' does not match"),
    "no test part": ("runs/1/folds", ["all"], "only isbi2012"),
    "no such volume": ("volumes/synthetic_volume/path", "nowhere.zarr", "'nowhere.zarr', which does not exist"),
    "unknown volume": ("runs/0/volumes", ["synthetic_vol"], "did you mean 'synthetic_volume'?"),
    "a volume for many folds": ("runs/0/folds", [0, 1], "name the one fold whose models are to be applied"),
    "a volume twice": (
        "runs/1",
        {"dataset": "synthetic_em", "models": ["small"], "folds": [1], "volumes": ["synthetic_volume"]},
        "runs apply small to the volume synthetic_volume both from",
    ),
    "a choice without labels": (
        "segmentation/em/choose",
        {"among": {"threshold": [0.4, 0.6]}},
        "the volume synthetic_volume uses that entry; give the volume one with fixed values",
    ),
    "a volume without mirrors": ("prediction/paper/border", "zero", "volumes are always mirrored"),
    "block that shows": ("prediction/paper/block", [8, 1000, 1022], "prediction/paper/block"),
    "network options": ("models/small/options", {"widht": 8}, "models/small/options"),
    "too small an input": ("augmentations/quick/input", 60, "augmentations/quick/input is 60"),
    "too large an output": (
        "training/quick/output",
        200,
        "samples of 288 pixels and augmentations/quick/input is",
    ),
    "tile that shows": ("prediction/paper/tile", [380, 384], "prediction/paper/tile"),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_mistakes_are_named(mistake):
    path, value, message = MISTAKES[mistake]
    with pytest.raises(InputError, match=re.escape(message)):
        checked(changed(path, value), SCHEMA)


def test_a_preset_comes_after_what_it_rests_on():
    assert [Path(file).stem for file in presets("ablation", ROOT / "config")] == ["paper_em", "ablation"]
    with pytest.raises(InputError, match="preset is 'ablations', which doesn't exist; did you mean 'ablation'"):
        presets("ablations", ROOT / "config")
    description = SCHEMA["properties"]["preset"]["description"]
    assert all(name in description for name in STUDIES)


def described(schema, path=""):
    """Paths of all keys without a description."""
    for name, part in schema.get("properties", {}).items():
        if "description" not in part:
            yield f"{path}/{name}"
        for inner in (part, part.get("additionalProperties"), part.get("items"), *part.get("oneOf", [])):
            if isinstance(inner, dict):
                yield from described(inner, f"{path}/{name}")


def test_every_key_is_described():
    assert not list(described(SCHEMA))


def entries(section):
    return SCHEMA["properties"][section]["additionalProperties"]["properties"]


def test_schema_and_registries_agree():
    assert set(entries("datasets")["format"]["enum"]) == set(READERS)
    assert set(entries("datasets")["split"]["properties"]["method"]["enum"]) == set(METHODS)
    assert set(entries("weights")["form"]["enum"]) == set(FORMS)
    assert set(entries("models")["network"]["enum"]) == set(MODELS)
    assert set(entries("training")["loss"]["enum"]) == set(LOSSES)
    assert set(entries("training")["precision"]["enum"]) == set(PRECISIONS)
    assert set(entries("prediction")["precision"]["enum"]) == set(PRECISIONS)
    assert set(entries("prediction")["engine"]["enum"]) == {"auto", *ENGINES}
    assert set(entries("prediction")["store"]["enum"]) == set(ENCODINGS)
    assert set(entries("prediction")["symmetries"]["items"]["enum"]) == set(SYMMETRIES)
    assert {form["properties"]["form"]["const"] for form in entries("augmentations")["elastic"]["oneOf"]} == set(
        ELASTIC
    )
    assert set(SCHEMA["properties"]["metrics"]["additionalProperties"]["items"]["enum"]) == set(METRICS)
    assert set(entries("training")) == set(Recipe.__dataclass_fields__)
    for kind in synthetic.GENERATORS:
        assert kind in entries("datasets")["options"]["description"]


def test_defaults_of_recipe_and_schema_agree():
    for name, part in entries("training").items():
        if "default" in part:
            assert getattr(Recipe(steps=1), name) == part["default"], name


def test_the_page_of_the_configuration_is_up_to_date():
    spec = importlib.util.spec_from_file_location("generate", ROOT / "docs/generate.py")
    generate = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(generate)
    assert generate.PAGE.read_text() == generate.page(SCHEMA), "run: make docs"


def test_network_options_are_those_of_the_classes():
    for name, options in NETWORK_OPTIONS.items():
        signature = list(inspect.signature(MODELS[name]).parameters)
        assert signature == ["in_channels", "classes", *options]
    assert set(NETWORK_OPTIONS) == set(MODELS)


@pytest.mark.parametrize(
    ("name", "options"),
    [("unet", {"depth": depth}) for depth in (1, 2, 3, 4)]
    + [("sliding_window", {"window": 65}), ("hypercolumn", {"depth": 3}), ("fcn8s", {}), ("fcn32s", {})],
)
def test_least_input_is_that_of_the_network(name, options):
    """The smallest input that the check accepts gives the network an output, and none smaller does."""
    config = changed("models/small", CONFIG["models"]["small"] | {"network": name, "options": options})
    network = MODELS[name](width=1, **options)
    config["augmentations"]["quick"]["input"] = network.valid_shape((1, 1))[0]
    checked(config, SCHEMA)
    config["augmentations"]["quick"]["input"] -= 1
    with pytest.raises(InputError, match="needs"):
        checked(config, SCHEMA)


def test_no_gpu_here_is_none_in_the_jobs_of_a_cluster(monkeypatch):
    monkeypatch.setenv("UNETFLOW_NO_GPU", "")
    assert [gpu_of_jobs(limit) for limit in (None, 1, 4, 0)] == [1, 1, 1, 0]
    assert gpu_of_jobs(1) == 0, "what a job reads that was submitted without"
