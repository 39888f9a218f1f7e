"""Several trainings of a recipe as one model, whose probability is the mean of theirs."""

from pathlib import Path

from unetflow import files, jobs, modelfile
from unetflow.models.ensemble import Ensemble


def ensemble(members, model):
    """Write ``model`` and the JSON beside it from the model files ``members``, trainings of one recipe on one fold."""
    networks = [modelfile.load(path) for path in members]
    first = networks[0].description
    architecture = {key: first["architecture"][key] for key in ("in_channels", "classes")}
    described = first | {
        "architecture": architecture | {"name": "ensemble", "members": len(networks), "of": first["architecture"]},
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
        ensemble(members=snakemake.input.members, model=snakemake.output.model)
