"""Several trainings of a recipe as one model, whose probability is the mean of theirs."""

from pathlib import Path

from unetflow import files, jobs
from unetflow.errors import InputError
from unetflow.experiment.recipes import SHAPE
from unetflow.models.ensemble import Ensemble
from unetflow.sharing import modelfile


def ensemble(members, model, fold):
    """Write ``model`` and the JSON beside it from the model files ``members``, trainings of one recipe.

    fold : of the ensemble; where its members are of several folds, it is "all". Raises InputError if the networks of
    the members differ, as those that `training: auto` finds for several folds can.
    """
    networks = [modelfile.load(path) for path in members]
    first = networks[0].description
    for path, network in zip(members, networks):
        if network.description["architecture"] != first["architecture"]:
            raise InputError(
                f"{path} is not the same network as {members[0]}, so their mean can't be taken; make the section "
                f"network of the two folds' auto.yaml the same"
            )
    architecture = {key: value for key, value in first["architecture"].items() if key in SHAPE}
    described = first | {
        "architecture": architecture | {"name": "ensemble", "members": len(networks), "of": first["architecture"]},
        "fold": fold,
        "folds": [one.description["fold"] for one in networks],
        "seeds": [one.description["seed"] for one in networks],
        "weights_of_members": [one.description["weights_sha256"] for one in networks],
    }
    model = Path(model)
    with jobs.state_folder(model, files.fingerprint(*map(Path, members))) as state:
        modelfile.save(state / model.name, Ensemble(networks).state_dict(), described)
        for path in (model.with_suffix(".json"), model):
            files.publish(state / path.name, path)


if __name__ == "__main__":
    with jobs.job(snakemake):
        ensemble(snakemake.input.members, snakemake.output.model, fold=snakemake.wildcards.fold)
