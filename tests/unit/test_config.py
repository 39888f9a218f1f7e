"""The configuration: mistakes are named, defaults filled, and schema, code, pages and files agree."""

import importlib.util
import inspect
import re
from copy import deepcopy
from pathlib import Path

import pytest
import yaml
from conftest import ROOT
from unetflow.augment import ELASTIC
from unetflow.datasets import synthetic
from unetflow.datasets.readers import READERS
from unetflow.datasets.splits import METHODS
from unetflow.engines import ENGINES, INT8, PRECISIONS
from unetflow.errors import InputError
from unetflow.experiment.config import READER_OPTIONS, checked, gpu_of_jobs, presets
from unetflow.experiment.recipes import ENTRIES, NETWORK_OPTIONS, architecture_of, completed_recipe
from unetflow.inference import ENCODINGS
from unetflow.metrics.registry import METRICS
from unetflow.models import MODELS
from unetflow.symmetries import SYMMETRIES
from unetflow.training.losses import LOSSES
from unetflow.training.recipe import Recipe
from unetflow.weights import FORMS

SCHEMA = yaml.safe_load((ROOT / "workflow/schemas/config.schema.yaml").read_text())
CONFIG = yaml.safe_load((ROOT / "config.yaml").read_text())


def merged(one, other):
    """As Snakemake merges a second configuration file."""
    result = dict(one)
    for key, value in other.items():
        result[key] = merged(result.get(key, {}), value) if isinstance(value, dict) else value
    return result


SHOWN = re.compile(r"^```yaml\n(.*?)^```$", re.M | re.S)
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
    assert complete["runs"][0]["seeds"][0] == 0


def test_several_classes_suit_recipes_of_all_kinds():
    config = merged(CONFIG, {"models": {"both": {"ensemble": {"of": "small"}, "prediction": "paper"}}})
    named = {"labels": "classes", "classes": {"nucleus": 1, "cytoplasm": [2, 3]}}
    config["datasets"] = config["datasets"] | {"synthetic_em": config["datasets"]["synthetic_em"] | named}
    config["runs"] = [{"dataset": "synthetic_em", "models": ["small", "auto", "both"], "folds": [0]}]
    assert checked(config, SCHEMA)["datasets"]["synthetic_em"]["classes"] == named["classes"]
    bordered = merged(config, {"weights": {"paper": {"border_class": 2}}})
    bordered["runs"][0]["models"] = ["both"]
    with pytest.raises(InputError, match="weights/paper doesn't suit datasets/synthetic_em: border_class is 2"):
        checked(bordered, SCHEMA)


def test_automatic_recipes_can_see_neighbours():
    said = merged(CONFIG, {"augmentations": {"auto": {"neighbours": 1}}})
    config = checked(said, SCHEMA)
    assert config["augmentations"]["auto"]["samples"] == ENTRIES["augmentations"]["samples"]
    architecture = architecture_of(config, completed_recipe(config["models"], "auto"), "synthetic_em")
    assert architecture == {"name": "unet", "in_channels": 3, "neighbours": 1, "classes": 2}
    run = {"dataset": "synthetic_em", "models": ["small", "auto"], "folds": [0], "volumes": ["synthetic_volume"]}
    seen = {"quick": {"neighbours": 1}, "auto": {"neighbours": 1}}
    checked(merged(CONFIG, {"augmentations": seen, "runs": [run]}), SCHEMA)  # a volume is not asked for their channels
    with pytest.raises(InputError, match="augmentations/auto"):
        checked(merged(CONFIG, {"augmentations": {"auto": 3}}), SCHEMA)


def test_configurations_that_the_tutorial_shows_are_valid(tmp_path, monkeypatch):
    (tmp_path / "my_cells/images").mkdir(parents=True)
    (tmp_path / "my_cells/images/a.tif").touch()
    monkeypatch.chdir(tmp_path)
    files = SHOWN.findall((ROOT / "docs/tutorial.md").read_text())
    assert len(files) == 2
    for text in files:
        checked(merged(CONFIG, yaml.safe_load(text)), SCHEMA)


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
    assert set(entries("prediction")["precision"]["enum"]) == {*PRECISIONS, INT8}
    assert set(entries("prediction")["engine"]["enum"]) == {"auto", *ENGINES}
    assert set(entries("prediction")["store"]["enum"]) == set(ENCODINGS)
    assert set(entries("prediction")["symmetries"]["items"]["enum"]) == set(SYMMETRIES)
    assert {form["properties"]["form"]["const"] for form in entries("augmentations")["elastic"]["oneOf"]} == set(
        ELASTIC
    )
    assert set(SCHEMA["properties"]["metrics"]["additionalProperties"]["items"]["enum"]) == set(METRICS)
    choose = SCHEMA["properties"]["segmentation"]["additionalProperties"]["properties"]["choose"]["properties"]
    assert set(choose["metric"]["enum"]) == {name for name, metric in METRICS.items() if metric.of == "segmentation"}
    assert set(entries("training")) == set(Recipe.__dataclass_fields__)
    assert set(entries("datasets")["options"]["properties"]["kind"]["enum"]) == set(synthetic.GENERATORS)


def test_defaults_of_recipe_and_schema_agree():
    for name, part in entries("training").items():
        if "default" in part:
            assert getattr(Recipe(steps=1), name) == part["default"], name


def test_the_page_of_the_configuration_is_up_to_date():
    spec = importlib.util.spec_from_file_location("generate", ROOT / "docs/generate.py")
    generate = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(generate)
    assert generate.PAGE.read_text() == generate.page(SCHEMA), "run: make docs"


def test_options_of_formats_are_those_of_the_readers():
    for name, options in READER_OPTIONS.items():
        named = ["classes"] if name == "folder" else []  # outlines are of those that the data set names
        assert list(inspect.signature(READERS[name]).parameters) == ["folder", *options, *named]
    assert set(READER_OPTIONS) == set(READERS) == set(entries("datasets")["format"]["enum"])
    assert set().union(*READER_OPTIONS.values()) == set(entries("datasets")["options"]["properties"])


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
    config = deepcopy(CONFIG)
    config["models"]["small"] |= {"network": name, "options": options}
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
