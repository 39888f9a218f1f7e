# What each job gets of the configuration: its own entries and no more, so that only its own changes rerun it.


def recipe(wildcards):
    """The `models` entry behind {model}."""
    return entry_of(wildcards.model)


def entry_of(model):
    return completed_recipe(config["models"], recipe_of(model))


# What {model} may be in the rule that makes ensembles; without any, nothing.
ENSEMBLES = "|".join(re.escape(name) for name, entry in config["models"].items() if entry["ensemble"]) or "(?!)"


def members(wildcards):
    """The model files of an ensemble."""
    folder = f"results/{wildcards.dataset}/{wildcards.fold}"
    return [f"{folder}/{name}/model.safetensors" for name in members_of(config["models"], wildcards.model)]


def seed(wildcards):
    return config["seed"] + seed_of(wildcards.model)


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
    return fingerprint(Path(path)) if path else None


def dataset_entry(wildcards):
    """What `prepare` needs to know of a data set."""
    keys = ("format", "options", "voxel_size", "unit", "labels", "ignore", "split")
    return {key: config["datasets"][wildcards.dataset][key] for key in keys}


def automatic(wildcards, entry):
    """The file with the recipe that follows from the data of a fold, if ``entry`` is auto; a list."""
    return [f"results/{wildcards.dataset}/{wildcards.fold}/auto.yaml"] if entry == "auto" else []


def recipe_of_weights(wildcards):
    return automatic(wildcards, wildcards.weights)


def recipe_of_augmentation(wildcards):
    return automatic(wildcards, wildcards.augmentation)


def recipe_of_training(wildcards):
    return automatic(wildcards, recipe(wildcards)["training"])


def first_recipe(wildcards):
    """The file with the recipe of an automatic model, of the first fold that it is trained on; a list."""
    name = recipe_of(wildcards.model)
    trained = [f"results/{d}/{fold}/auto.yaml" for d, fold, model in models_of_runs() if recipe_of(model) == name]
    return trained[:1] if is_auto(recipe(wildcards)) else []


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


def training_of_model(wildcards):
    return config["training"][recipe(wildcards)["training"]]


def gpus_of_training(wildcards):
    return GPU * training_of_model(wildcards)["gpus"]


def init_of_model(wildcards):
    """The model file from which training starts, if the recipe names one; a list, since it may name none."""
    init = training_of_model(wildcards)["init"]
    return [init.format(dataset=wildcards.dataset, fold=wildcards.fold)] if init else []


def architecture_of_model(wildcards):
    """What `models.build` takes."""
    return architecture_of(recipe(wildcards))


def training_data_of_model(wildcards):
    """Names of the inputs of training that the configuration decides."""
    return [*chunks_of_model(wildcards), targets_of_model(wildcards), *init_of_model(wildcards)]


def model_description(wildcards):
    return {
        "architecture": architecture_of_model(wildcards),
        "dataset": wildcards.dataset,
        "fold": wildcards.fold,
        "seed": seed(wildcards),
    }


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
