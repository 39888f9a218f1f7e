"""Recipes that `auto` found, and that people may have edited: read, checked, and put over the configuration."""

from pathlib import Path

import yaml

from ..errors import InputError, first_line
from .classes import classes_of
from .recipes import AUTO, ENTRIES, NETWORK_OPTIONS
from .schema import completed, known

# The sections of such a file, and those of the configuration whose entries they complete.
SECTIONS = {"network": None, "weights": "weights", "augmentation": "augmentations", "training": "training"}


def followed(entry, recipe, section):
    """The entry ``entry`` (dict) of the configuration, with the ``section`` of a recipe over it.

    recipe : path of the YAML, in a list as Snakemake gives it; an empty one leaves the entry as it is.
    """
    return entry | read(recipe[0])[section] if recipe else entry


def architecture_found(entry, recipe):
    """What `models.build` takes, of what the configuration says of it and a recipe as for `followed`."""
    if not recipe:
        return entry
    found = read(recipe[0])
    classes = {"classes": classes_of(found["weights"], entry["classes"] - 1)}
    network = classes | found["network"]
    return entry | (classes | {"of": entry["of"] | network} if "of" in entry else network)


def read(path):
    """The recipe in ``path``. Raises InputError if that is no YAML or lacks a section."""
    try:
        recipe = yaml.safe_load(Path(path).read_text())
    except yaml.YAMLError as error:
        raise InputError(f"{path} is no YAML any more ({first_line(error)}); correct or delete it") from error
    missing = [key for key in SECTIONS if not isinstance(recipe, dict) or not isinstance(recipe.get(key), dict)]
    if missing:
        raise InputError(
            f"{path} lacks the section {missing[0]!r}; correct it, or delete the file to have it made anew"
        )
    return recipe


def check(path, schema):
    """Raise InputError if the recipe in ``path`` has what the ``schema`` of the configuration forbids."""
    recipe = read(path)
    if "neighbours" in recipe["augmentation"]:
        raise InputError(
            f"{path}: augmentation/neighbours doesn't follow from data; take it out, and say it in the "
            f"configuration, as augmentations: {{auto: {{neighbours: 1}}}}"
        )
    try:
        for option in recipe["network"]:
            known("network", option, NETWORK_OPTIONS[AUTO["network"]])
        for section, of in SECTIONS.items():
            if of:
                part = {"properties": {of: schema["properties"][of]}, "$defs": schema["$defs"]}
                completed({of: {"auto": ENTRIES[of] | recipe[section]}}, part)
    except InputError as error:
        raise InputError(f"{path}: {str(error).removeprefix('config: ')}") from error
