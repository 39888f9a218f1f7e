# What the runs of the configuration add up to: models, volumes, tables.


def model_names(run):
    """The {model} of every recipe and seed of a run; ensembles have seeds of their own."""
    models = config["models"]
    return [
        model_name(recipe, number)
        for recipe in run["models"]
        for number in ([0] if models[recipe]["ensemble"] else run["seeds"])
    ]


def models_of_runs():
    """(dataset, fold, model) of everything to train."""
    rows = [
        (run["dataset"], fold, model) for run in config["runs"] for fold in run["folds"] for model in model_names(run)
    ]
    return list(dict.fromkeys(rows))


def tested_models_of_runs():
    """Those of them that have test slices: all but what is trained on everything that is annotated."""
    official = [name for name, dataset in config["datasets"].items() if dataset["format"] == "isbi2012"]
    return [(d, fold, m) for d, fold, m in models_of_runs() if fold != "all" or d in official]


def volumes_of_runs():
    """(volume, model) of every volume to predict."""
    rows = [(volume, model) for run in config["runs"] for volume in run["volumes"] for model in model_names(run)]
    return list(dict.fromkeys(rows))


def datasets_of_runs():
    return list(dict.fromkeys(run["dataset"] for run in config["runs"] if run["dataset"]))


def checks_of_runs():
    """What was understood of every data set."""
    return [f"results/{dataset}/checks.csv" for dataset in datasets_of_runs()]


def volumes_to_check():
    """Volume -> what opening it and its truth needs, for all that are not results of this pipeline."""
    names = dict.fromkeys(volume for volume, _ in volumes_of_runs())
    found = [SimpleNamespace(volume=name) for name in names]
    return {w.volume: [volume_entry(w), truth_entry(w)] for w in found if not volume_made_here(w)}


def plans_of_runs():
    """Plan and hours of every volume to predict."""
    return [f"results/volumes/{volume}/{model}/speed.json" for volume, model in volumes_of_runs()]


def objects_of_runs():
    """Size, place and grey values of every object of every volume."""
    return [f"results/volumes/{volume}/{model}/objects.csv" for volume, model in volumes_of_runs()]


def metrics_of_runs():
    """The tables of all test slices and of all volumes with truth."""
    with_truth = [(v, m) for v, m in volumes_of_runs() if config["volumes"][v]["truth"]]
    tables = [f"results/volumes/{volume}/{model}/metrics.csv" for volume, model in with_truth]
    return [*of_runs("results/{dataset}/{fold}/{model}/metrics.csv"), *tables]


def of_runs(pattern):
    """``pattern`` for every model that is tested."""
    return [pattern.format(dataset=d, fold=f, model=m) for d, f, m in tested_models_of_runs()]


def recipes_of_runs():
    """Names of the recipes that the runs train, without seeds."""
    return list(dict.fromkeys(recipe for run in config["runs"] if run["dataset"] for recipe in run["models"]))


def members_of_recipes():
    """Recipe -> [fold, model] of every member of the ensemble that it is; empty if it is none. See `recipes.members`."""
    entries = {name: config["models"][name]["ensemble"] for name in recipes_of_runs()}
    return {name: members(entry) if entry else [] for name, entry in entries.items()}


def compared_models(dataset, fold):
    """The models that are tested on a fold, the first seed of each recipe."""
    first = {}
    for one, number, model in tested_models_of_runs():
        if (one, str(number)) == (dataset, str(fold)):
            first.setdefault(recipe_of(model), model)
    return list(first.values())


def compared_folds_of_runs():
    """(dataset, fold) on which more than one recipe is tested."""
    folds = dict.fromkeys((dataset, fold) for dataset, fold, _ in tested_models_of_runs())
    return [one for one in folds if len(compared_models(*one)) > 1]


def models_of_picture(wildcards):
    """The models that stand side by side."""
    return compared_models(wildcards.dataset, wildcards.fold)


def compared_stores(store):
    """Function of the wildcards: the ``store`` of every one of `models_of_picture`."""
    pattern = f"results/{{dataset}}/{{fold}}/{{model}}/{store}"
    return lambda wildcards: expand(pattern, model=models_of_picture(wildcards), **wildcards)


def packages_of_runs():
    """The package of every model that is trained."""
    return [f"results/{dataset}/{fold}/{model}/export/model.zip" for dataset, fold, model in models_of_runs()]


def targets_of_runs():
    """Every table, picture and page, and the plans and objects of volumes."""
    tables = [csv for csv, title in TABLES.values()]
    return [*tables, *figures_of_runs(), *plans_of_runs(), *objects_of_runs()]
