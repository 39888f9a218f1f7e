# What each job of a volume gets of the configuration.


def volume_entry(wildcards):
    """What opening a volume needs."""
    entry = config["volumes"][wildcards.volume]
    keys = ("path", "array", "axes", "channel", "time", "voxel_size", "unit")
    return {key: entry[key] for key in keys}


def volume_made_here(wildcards):
    """The volume's path if it is a result of this pipeline, for example results/{dataset}/volume.zarr."""
    paths = listed(config["volumes"][wildcards.volume]["path"])
    return [path for path in paths if path.startswith("results/")]


def truth_made_here(wildcards):
    truth = config["volumes"][wildcards.volume]["truth"]
    return [truth["path"]] if truth and truth["path"].startswith("results/") else []


def truth_entry(wildcards):
    """What opening the true labels of a volume needs; None if it has none."""
    truth = config["volumes"][wildcards.volume]["truth"]
    return truth and {key: truth[key] for key in ("path", "array", "axes", "channel", "time")}


def labels_of_truth(wildcards):
    """How the true labels are to be read."""
    truth = config["volumes"][wildcards.volume]["truth"]
    return {key: truth[key] for key in ("labels", "classes", "ignore")}


def volume_content(wildcards):
    """What a volume can be told by without reading it, so that its being touched or copied anew reruns nothing."""
    entry = config["volumes"][wildcards.volume]
    return None if made_here_or_remote(entry["path"]) else identity(entry["path"], entry["array"])


def truth_content(wildcards):
    truth = config["volumes"][wildcards.volume]["truth"]
    return None if made_here_or_remote(truth["path"]) else identity(truth["path"], truth["array"])


def segmentation_of_volume(wildcards):
    return config["segmentation"][config["volumes"][wildcards.volume]["segmentation"]]


def choice_for_volume(wildcards):
    """The file that holds the options of segmentation, if they were chosen where the model was trained; a list."""
    if not segmentation_of_volume(wildcards)["choose"]:
        return []
    dataset, fold = training_for_volume(wildcards)
    return [f"results/{dataset}/{fold}/{wildcards.model}/segmentation.json"]


def dimensions_of_objects(wildcards):
    return segmentation_of_volume(wildcards)["dimensions"]


def ids_of_volume(wildcards):
    """The columns by which tables name a model applied to a volume; its fold is the one it was trained on."""
    fold = "" if from_file(wildcards) else training_for_volume(wildcards)[1]
    ids = {"dataset": wildcards.volume, "fold": fold, "model": wildcards.model}
    return ids | {"seed": seed(wildcards)}


def from_file(wildcards):
    """The file of the model, if it is brought along instead of being trained; else None."""
    return recipe(wildcards)["file"]


def training_for_volume(wildcards):
    """(dataset, fold) on which the model was trained that is applied to a volume, or its file."""
    name = recipe_of(wildcards.model)
    if from_file(wildcards):
        return from_file(wildcards)
    for run in config["runs"]:
        if wildcards.volume in run["volumes"] and name in run["models"]:
            return run["dataset"], run["folds"][0]
    raise WorkflowError(f"no run applies {wildcards.model} to the volume {wildcards.volume}")


def model_for_volume(wildcards):
    if from_file(wildcards):
        return f"results/models/{recipe_of(wildcards.model)}/model.safetensors"
    dataset, fold = training_for_volume(wildcards)
    return f"results/{dataset}/{fold}/{wildcards.model}/model.safetensors"


def recipe_for_volume(wildcards):
    """The file with the recipe of an automatic model; a list."""
    if from_file(wildcards) or not is_auto(recipe(wildcards)):
        return []
    return [found_for(*training_for_volume(wildcards), wildcards.model)]


def description_for_volume(wildcards):
    return model_for_volume(wildcards).replace(".safetensors", ".json")
