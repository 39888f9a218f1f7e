"""A trained model that is brought along: checked, and put beside those that are trained here."""

from unetflow import files, jobs
from unetflow.sharing import modelfile


def import_model(file, model):
    """Write ``model`` (.safetensors) and the JSON beside it from ``file``, a model of that kind or a package."""
    network = modelfile.load(file)
    with jobs.made_whole(model) as path:
        modelfile.save(path, network.state_dict(), network.description)
        files.publish(path.with_suffix(".json"), str(model).replace(".safetensors", ".json"))
    jobs.log.info(
        f"{file}: {network.description['architecture']['name']}, weights {network.description['weights_sha256']}"
    )


if __name__ == "__main__":
    with jobs.job(snakemake):
        import_model(file=snakemake.input.file, model=snakemake.output.model)
