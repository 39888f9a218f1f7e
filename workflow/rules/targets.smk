# What the runs of the configuration add up to: models, tables, pictures, what the report shows.


def model_names(run):
    """The {model} of every recipe and seed of a run."""
    return [name if number == 0 else f"{name}-seed{number}" for name in run["models"] for number in run["seeds"]]


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


def plans_of_runs():
    """Plan and hours of every volume to predict."""
    return [f"results/volumes/{volume}/{model}/speed.json" for volume, model in volumes_of_runs()]


def metrics_of_runs():
    """The tables of all test slices and of all volumes with truth."""
    with_truth = [(v, m) for v, m in volumes_of_runs() if config["volumes"][v]["truth"]]
    tables = [f"results/volumes/{volume}/{model}/metrics.csv" for volume, model in with_truth]
    return [*of_runs("results/{dataset}/{fold}/{model}/metrics.csv"), *tables]


def of_runs(pattern):
    """``pattern`` for every model that is tested."""
    return [pattern.format(dataset=d, fold=f, model=m) for d, f, m in tested_models_of_runs()]


def compared_folds_of_runs():
    """(dataset, fold) on which more than one recipe is tested."""
    folds = [(d, fold) for d, fold, model in tested_models_of_runs() if "-seed" not in model]
    return [one for one in dict.fromkeys(folds) if folds.count(one) > 1]


def figures_of_runs():
    """Every picture and page of the report."""
    pages = [f"results/report/pages/{table}.html" for table in TABLES]
    for dataset, fold, model in models_of_runs():
        name = config["models"][model.split("-seed")[0]]["augmentation"]
        folder = f"results/report/{dataset}/{fold}"
        pages += [
            f"results/report/pages/{dataset}/checks.html",
            f"{folder}/weights_{config['augmentations'][name]['weights']}.svg",
            f"{folder}/chunks_{name}.svg",
            f"{folder}/training_{model}.svg",
        ]
    pages += [f"results/report/{d}/{fold}/prediction_{m}.svg" for d, fold, m in tested_models_of_runs()]
    for dataset, fold in compared_folds_of_runs():
        pages += [f"results/report/{dataset}/{name}.svg" for name in ("comparison", "differences")]
        pages.append(f"results/report/{dataset}/{fold}/methods.svg")
    pages += [f"results/report/volumes/{volume}/prediction_{m}.svg" for volume, m in volumes_of_runs()]
    return list(dict.fromkeys(pages))


def targets_of_runs():
    """Every table, picture and page, and the plans of volumes."""
    tables = [row["csv"] for row in TABLES.values()]
    return [*tables, *figures_of_runs(), *plans_of_runs()]
