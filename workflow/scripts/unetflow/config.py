"""The configuration: checked against its schema and its own cross references, with one sentence per mistake."""

from copy import deepcopy
from difflib import get_close_matches

from jsonschema import Draft202012Validator

from .errors import InputError

# Which entry names which: section, key in its entries, section that must hold the name.
REFERENCES = (
    ("datasets", "segmentation", "segmentation"),
    ("datasets", "metrics", "metrics"),
    ("augmentations", "weights", "weights"),
    ("models", "augmentation", "augmentations"),
    ("models", "training", "training"),
    ("models", "prediction", "prediction"),
)


def checked(config, schema):
    """``config`` with all defaults of ``schema`` filled in. Raises InputError for the first mistake found."""
    config = deepcopy(config)
    for error in sorted(Draft202012Validator(schema).iter_errors(config), key=lambda e: list(map(str, e.path))):
        raise InputError(explain(error))
    config = filled(config, schema)
    check_references(config)
    return config


def explain(error):
    """One sentence for a schema violation: where, what, remedy."""
    where = "/".join(map(str, error.absolute_path)) or "the top level"
    if error.validator == "additionalProperties":
        known = list(error.schema.get("properties", {}))
        unknown = next(key for key in error.instance if key not in known)
        return f"config: {where} has an unknown key {unknown!r}; {suggestion(unknown, known)}"
    if error.validator == "required":
        missing = next(key for key in error.validator_value if key not in error.instance)
        return f"config: {where} lacks the key {missing!r}; add it (docs/configuration.md says what it means)"
    if error.validator == "enum":
        return f"config: {where} is {error.instance!r}; {suggestion(error.instance, error.validator_value)}"
    if error.validator == "oneOf":
        return f"config: {where} is {error.instance!r}, which fits none of its forms; see docs/configuration.md"
    return f"config: {where}: {error.message}; {error.schema.get('description', 'see docs/configuration.md')}"


def suggestion(wrong, known):
    """The nearest known name, or all of them."""
    near = get_close_matches(str(wrong), [str(k) for k in known], n=1)
    return f"did you mean {near[0]!r}?" if near else f"it must be one of: {', '.join(map(str, known))}"


def filled(value, schema):
    """``value`` with the defaults of ``schema`` at every level where a map lacks a key."""
    if isinstance(value, dict):
        properties = schema.get("properties", {})
        for key, sub in properties.items():
            if key not in value and "default" in sub:
                value[key] = deepcopy(sub["default"])
        other = schema.get("additionalProperties")
        for key in value:
            sub = properties.get(key, other if isinstance(other, dict) else {})
            value[key] = filled(value[key], sub)
    elif isinstance(value, list):
        value = [filled(item, schema.get("items", {})) for item in value]
    return value


def check_references(config):
    """Raise InputError if something names an entry that doesn't exist, or if a data set has no source."""
    for section, key, target in REFERENCES:
        for name, entry in config[section].items():
            known(f"{section}/{name}/{key}", entry[key], config[target])
    for name, dataset in config["datasets"].items():
        if dataset["format"] != "generated" and not (dataset["path"] or dataset["download"]):
            raise InputError(f"config: datasets/{name} has neither path nor download; say where its files are")
    for index, run in enumerate(config["runs"]):
        known(f"runs/{index}/dataset", run["dataset"], config["datasets"])
        for model in run["models"]:
            known(f"runs/{index}/models", model, config["models"])
        split = config["datasets"][run["dataset"]]["split"]
        if split["method"] != "groups" and any(f != "all" and f >= split["folds"] for f in run["folds"]):
            raise InputError(
                f"config: runs/{index}/folds names fold {max(f for f in run['folds'] if f != 'all')}, but "
                f"{run['dataset']} has folds 0 to {split['folds'] - 1}; change one of them"
            )
    for name in config["report"]["table1"]:
        known("report/table1", name, config["datasets"])


def known(where, name, entries):
    if name not in entries:
        raise InputError(f"config: {where} is {name!r}, which doesn't exist; {suggestion(name, entries)}")
