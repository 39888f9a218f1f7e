# What each job gets of the configuration: its own entries and no more, so that only its own changes rerun it.


def downloaded(wildcards):
    dataset = config["datasets"][wildcards.dataset]
    return dataset["format"] != "generated" and not dataset["path"]


def dataset_folder(wildcards):
    if downloaded(wildcards):
        return f"resources/{wildcards.dataset}"
    return config["datasets"][wildcards.dataset]["path"]


def dataset_content(wildcards):
    """Hash of a local data set, so that its being touched or copied anew reruns nothing and a change does."""
    path = config["datasets"][wildcards.dataset]["path"]
    return known_content(Path(path), Path(".snakemake/contents.json")) if path else None


def dataset_entry(wildcards):
    """What `prepare` needs to know of a data set."""
    keys = ("format", "options", "voxel_size", "unit", "labels", "classes", "ignore", "normalisation", "split")
    return {key: config["datasets"][wildcards.dataset][key] for key in keys}


def labels_of_dataset(wildcards):
    return config["datasets"][wildcards.dataset]["labels"]


def targets_of_augmentation(wildcards):
    weights = config["augmentations"][wildcards.augmentation]["weights"]
    return f"results/{wildcards.dataset}/{wildcards.fold}/targets/{weights}.zarr"


def targets_of_model(wildcards):
    weights = config["augmentations"][recipe(wildcards)["augmentation"]]["weights"]
    return f"results/{wildcards.dataset}/{wildcards.fold}/targets/{weights}.zarr"


def samples_of_chunk(wildcards):
    """First sample of a chunk, and the one after its last."""
    options = config["augmentations"][wildcards.augmentation]
    first = int(wildcards.chunk) * options["samples_per_chunk"]
    return [first, min(first + options["samples_per_chunk"], options["samples"])]


def chunk_count(augmentation):
    options = config["augmentations"][augmentation]
    return -(-options["samples"] // options["samples_per_chunk"])


def sample_seed(wildcards):
    return f"{config['seed']}/{wildcards.dataset}/{wildcards.fold}"


def augmentation_options(wildcards):
    """What shapes a sample; how many there are does not."""
    options = config["augmentations"][wildcards.augmentation]
    return {key: value for key, value in options.items() if key not in ("weights", "samples", "samples_per_chunk")}


def chunks_of_model(wildcards):
    name = recipe(wildcards)["augmentation"]
    folder = f"results/{wildcards.dataset}/{wildcards.fold}/chunks/{name}"
    return [f"{folder}/{k}.zarr" for k in range(chunk_count(name))]


def prediction_of_model(wildcards):
    return config["prediction"][recipe(wildcards)["prediction"]]


def segmentation_of_dataset(wildcards):
    return config["segmentation"][config["datasets"][wildcards.dataset]["segmentation"]]


def choice_of_segmentation(wildcards):
    """The file that holds the options of segmentation, if they are chosen on the training part; a list."""
    chosen = "results/{dataset}/{fold}/{model}/segmentation.json"
    return [chosen.format(**wildcards)] if segmentation_of_dataset(wildcards)["choose"] else []


def metrics_of_dataset(wildcards):
    return config["metrics"][config["datasets"][wildcards.dataset]["metrics"]]


def ids_of_model(wildcards):
    """The columns by which tables name a model."""
    ids = {"dataset": wildcards.dataset, "fold": wildcards.fold, "model": wildcards.model}
    return ids | {"seed": seed(wildcards)}


def metrics_of_model(wildcards):
    """The table of a model that is tested; a list, empty for one that is trained on everything."""
    table = "results/{dataset}/{fold}/{model}/metrics.csv".format(**wildcards)
    return [table] if table in metrics_of_runs() else []
