# What is shown of the runs: pictures, pages, the methods paragraph, the viewer's scenes, how the last run ended.


def descriptions_of_runs():
    """The JSON of every model that is trained."""
    return [f"results/{dataset}/{fold}/{model}/model.json" for dataset, fold, model in models_of_runs()]


def methods_of_runs():
    """(data set, fold, model, prepared volume, description) of every model that is trained."""
    volumes = [f"results/{dataset}/volume.zarr" for dataset, _, _ in models_of_runs()]
    return [(*run, *paths) for run, *paths in zip(models_of_runs(), volumes, descriptions_of_runs())]


def what_methods_tell():
    """The entries of the configuration that the methods paragraph puts in words."""
    datasets = {name: config["datasets"][name] for name in datasets_of_runs()}
    told = {name: {key: entry[key] for key in ("split", "segmentation")} for name, entry in datasets.items()}
    recipes = {name: entry_of(name) for name in recipes_of_runs()}
    for section, names in (
        ("segmentation", [entry["segmentation"] for entry in told.values()]),
        ("augmentations", [entry["augmentation"] for entry in recipes.values()]),
        ("prediction", [entry["prediction"] for entry in recipes.values()]),
    ):
        told[section] = {name: config[section][name] for name in names}
    weights = [entry["weights"] for entry in told["augmentations"].values()]
    return told | {"recipes": recipes, "weights": {name: config["weights"][name] for name in weights}}


def figures_of_runs():
    """Every picture and page of the report."""
    pages = [f"results/report/pages/{table}.html" for table in TABLES]
    pages.append("results/report/pages/methods.html")
    for dataset, fold, model in models_of_runs():
        name = entry_of(model)["augmentation"]
        pages.append(f"results/report/pages/{dataset}/checks.html")
        for part, trained in trainings_of(config["models"], fold, model):
            folder = f"results/report/{dataset}/{part}"
            pages.append(f"{folder}/weights_{config['augmentations'][name]['weights']}.svg")
            pages += [f"{folder}/chunks_{name}.svg", f"{folder}/training_{trained}.svg"]
    pages += [f"results/report/{d}/{fold}/prediction_{m}.svg" for d, fold, m in tested_models_of_runs()]
    for dataset, _, _ in tested_models_of_runs():
        pages += [f"results/report/{dataset}/{name}.svg" for name in ("calibration", "cost")]
    for dataset, fold in compared_folds_of_runs():
        pages += [f"results/report/{dataset}/{name}.svg" for name in ("comparison", "differences")]
        pages.append(f"results/report/{dataset}/{fold}/methods.svg")
    for volume, model in volumes_of_runs():
        pages += [f"results/report/volumes/{volume}/{shown}_{model}.svg" for shown in ("prediction", "objects")]
    return list(dict.fromkeys(pages))


def scenes_of_tests():
    """(title, prepared volume, prediction, segmentation) of everything that is tested."""
    for dataset, fold, model in tested_models_of_runs():
        folder = f"results/{dataset}/{fold}/{model}"
        title = f"{dataset}, fold {fold}, {model}"
        yield title, f"results/{dataset}/volume.zarr", f"{folder}/prediction.zarr", f"{folder}/segmentation.zarr"


def scenes_of_volumes():
    """(title, how to open the volume, prediction, segmentation) of every predicted volume."""
    for volume, model in volumes_of_runs():
        folder = f"results/volumes/{volume}/{model}"
        entry = volume_entry(SimpleNamespace(volume=volume))
        yield f"{volume}, {model}", entry, f"{folder}/prediction.zarr", f"{folder}/segmentation.zarr"


def note_run(status, log):
    """Write results/run.json, and say how to go on where the run did not come to its end."""
    note = summary(status, config, [str(path) for path in log])
    if note and status != "finished":
        print("Not finished; the same command goes on from what is there.", file=sys.stderr)


onsuccess:
    note_run("finished", log)


onerror:
    note_run("stopped", log)
