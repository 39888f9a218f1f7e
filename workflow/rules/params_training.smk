# What a model is trained with: its recipe, where that is automatic the file that it is found in, its members.


def recipe(wildcards):
    """The `models` entry behind {model}."""
    return entry_of(wildcards.model)


def entry_of(model):
    return completed_recipe(config["models"], recipe_of(model))


# What {model} may be in the rule that makes ensembles; without any, nothing.
ENSEMBLES = "|".join(re.escape(name) for name, entry in config["models"].items() if entry["ensemble"]) or "(?!)"


def files_of_members(wildcards):
    """The model files of an ensemble."""
    trained = trainings_of(config["models"], wildcards.fold, wildcards.model)
    return [f"results/{wildcards.dataset}/{fold}/{name}/model.safetensors" for fold, name in trained]


def seed(wildcards):
    return config["seed"] + seed_of(wildcards.model)


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
    trained = [found_for(*one) for one in models_of_runs() if recipe_of(one[2]) == name]
    return trained[:1] if is_auto(recipe(wildcards)) else []


def found_for(dataset, fold, model):
    """The file with the recipe of an automatic model of a fold, or of the first member of an ensemble."""
    return f"results/{dataset}/{trainings_of(config['models'], fold, model)[0][0]}/auto.yaml"


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
    return architecture_of(config, recipe(wildcards), dataset_of_model(wildcards))


def dataset_of_model(wildcards):
    """The data set that a model is trained on, the first where there are several; None if it comes from a file."""
    if "dataset" in wildcards.keys():
        return wildcards.dataset
    if "volume" in wildcards.keys() and not from_file(wildcards):
        return training_for_volume(wildcards)[0]
    trained = (dataset for dataset, _, model in models_of_runs() if recipe_of(model) == recipe_of(wildcards.model))
    return next(trained, None)


def training_data_of_model(wildcards):
    """Names of the inputs of training that the configuration decides."""
    return [*chunks_of_model(wildcards), targets_of_model(wildcards), *init_of_model(wildcards)]


def model_description(wildcards):
    return {
        "architecture": architecture_of_model(wildcards),
        "objects": list(objects_of(config["datasets"][wildcards.dataset])),
        "dataset": wildcards.dataset,
        "fold": wildcards.fold,
        "seed": seed(wildcards),
    }
