import re
from types import SimpleNamespace

import yaml

REPORTED = workflow.source_path("../../resources/paper/reported.csv")
from unetflow.experiment.config import checked, made_here_or_remote
from unetflow.files import fingerprint, known_content
from unetflow.experiment.classes import objects_of
from unetflow.experiment.found import check as check_found
from unetflow.images.identity import identity
from unetflow.experiment.imports import files_behind, meaning
from unetflow.experiment.names import model_name, recipe_of, seed_of
from unetflow.experiment.recipes import architecture_of, completed_recipe, is_auto, members, trainings_of
from unetflow.experiment.schema import listed
from unetflow.experiment.summary import summary

with open(Path(workflow.current_basedir) / "../schemas/config.schema.yaml") as file:
    try:
        SCHEMA = yaml.safe_load(file)
        config.update(checked(config, SCHEMA))
        for found in Path("results").glob("*/*/auto.yaml"):
            check_found(found, SCHEMA)
    except InputError as error:
        raise WorkflowError(str(error))


# How many jobs share a volume; another number by --set-scatter slab=16, or in a profile.
scattergather:
    slab=1,


wildcard_constraints:
    volume=r"[A-Za-z0-9_.]+",
    dataset=r"[A-Za-z0-9_.]+",
    fold=r"\d+|all",
    augmentation=r"[A-Za-z0-9_.]+",
    weights=r"[A-Za-z0-9_.]+",
    chunk=r"\d+",
    model=r"[A-Za-z0-9_.]+(-seed\d+)?",
    table=r"[a-z0-9_]+",


def code(script):
    """Hash of a script and of all it imports from here: an edit reruns its users, a comment or a touch nothing."""
    return fingerprint([meaning(file) for file in files_behind(script)])
