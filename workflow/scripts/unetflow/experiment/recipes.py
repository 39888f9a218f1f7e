"""What a `models` entry is: a recipe to be trained, a trained file, or an ensemble of a recipe's trainings."""

from itertools import product

from .. import geometry
from ..errors import InputError
from ..images.axes import channels_of
from ..sharing import packages
from .classes import classes_of, objects_of
from .names import model_name, recipe_of
from .schema import known

DEPTHS = (2, 3, 4, 5)  # of networks that `auto` chooses among
SHAPE = "name", "in_channels", "neighbours", "classes"  # keys of an architecture that are no option of the network
TRAINED = {"network": None, "augmentation": "augmentations", "training": "training"}  # keys of recipes, not of files
# Kept here, so that reading the configuration need not import torch; a test compares them with the classes.
FCN_OPTIONS = ("width", "hidden", "norm", "dropout")
NETWORK_OPTIONS = {
    "unet": ("width", "depth", "variant", "norm", "dropout", "skips"),
    "sliding_window": ("window", "width", "hidden", "dropout"),
    "hypercolumn": ("width", "depth", "norm", "hidden"),
    "fcn8s": FCN_OPTIONS,
    "fcn16s": FCN_OPTIONS,
    "fcn32s": FCN_OPTIONS,
}
# How the output lies on the input, by network, from its options.
GEOMETRIES = {
    "unet": lambda options: geometry.unet(options.get("depth", 4)),
    "sliding_window": lambda options: geometry.sliding_window(options.get("window", 95)),
    "hypercolumn": lambda options: geometry.hypercolumn(options.get("depth", 4)),
    "fcn8s": lambda options: geometry.fcn(8),
    "fcn16s": lambda options: geometry.fcn(16),
    "fcn32s": lambda options: geometry.fcn(32),
}


# What `training: auto` means: the keys of a recipe, and the entries that they name. The rest follows from the data.
AUTO = {"network": "unet", "augmentation": "auto"}
ENTRIES = {
    "weights": {"form": "none"},
    "augmentations": {"weights": "auto", "samples": 512, "samples_per_chunk": 64},
    "training": {"steps": 1},  # what is not said here has the schema's default
}


def is_auto(model):
    """Whether a `models` entry leaves it to the data what its recipe is."""
    return model.get("training") == "auto"


def check_origin(config, name):
    """Raise InputError unless a model is a recipe, a file or an ensemble, with all that belongs to it."""
    model = config["models"][name]
    if is_auto(model):
        if given := [key for key in (*AUTO, "file", "ensemble", "options") if model.get(key)]:
            raise InputError(
                f"config: models/{name} has both training: auto and {given[0]}, which follows from the data then; take "
                f"it out, or write a recipe"
            )
        return
    given = [key for key in ("file", "ensemble") if model[key] is not None]
    if len(given) == 2:
        raise InputError(f"config: models/{name} has both file and ensemble; keep one of them")
    if given and (more := [key for key in TRAINED if key in model]):
        raise InputError(
            f"config: models/{name} has both {given[0]} and {more[0]}; a model from a file is trained already, and an "
            f"ensemble is trained as the recipe that it names"
        )
    if model["ensemble"]:
        member = model["ensemble"]["of"]
        known(f"models/{name}/ensemble/of", member, config["models"])
        if any(config["models"][member][key] for key in ("file", "ensemble")):
            raise InputError(f"config: models/{name}/ensemble/of is {member!r}, which is not trained; name a recipe")
        if len(members(model["ensemble"])) < 2:
            raise InputError(f"config: models/{name}/ensemble has a single member; name more seeds or folds")
    for key, section in TRAINED.items():
        if not given and key not in model:
            raise InputError(
                f"config: models/{name} lacks the key {key!r}; add it (docs/configuration.md says what it means), or "
                f"name the file of a trained model"
            )
        if section and key in model:
            known(f"models/{name}/{key}", model[key], config[section])


def completed_recipe(models, name):
    """The `models` entry ``name`` with what it is trained with: as its members, or as `auto` finds."""
    model = models[name]
    if is_auto(model):
        return model | AUTO
    if not model["ensemble"]:
        return model
    member = completed_recipe(models, model["ensemble"]["of"])
    return model | {key: member[key] for key in (*TRAINED, "options")}


def members(ensemble, fold=None):
    """(fold, {model}) of every member of an ``ensemble`` entry; members are of ``fold`` unless it names folds."""
    seeds = ensemble["seeds"] or ([0] if ensemble["folds"] else [0, 1, 2])
    return list(product(ensemble["folds"] or [fold], [model_name(ensemble["of"], number) for number in seeds]))


def trainings_of(models, fold, model):
    """(fold, {model}) of the trainings behind ``model`` of a fold: of an ensemble its members, else itself."""
    ensemble = models[recipe_of(model)]["ensemble"]
    return members(ensemble, fold) if ensemble else [(fold, model)]


def architecture_of(config, model, dataset=None):
    """What `models.build` takes, of a `models` entry that is completed; without options where these are `auto`.

    dataset : name of the data set that it is trained on, where the number of channels matters."""
    if model["file"] is not None:
        return packages.describe(model["file"])["architecture"]
    samples = config["augmentations"][model["augmentation"]]
    weights = config["weights"][samples["weights"]]
    entry = config["datasets"][dataset] if dataset else {}
    options = entry.get("options", {})
    channels = len(channels_of(options.get("images"), options.get("channel")))
    shape = {"in_channels": channels, "classes": classes_of(weights, len(objects_of(entry)))}
    if beside := samples["neighbours"]:
        shape |= {"in_channels": channels * (2 * beside + 1), "neighbours": beside}
    network = {"name": model["network"], **shape, **model["options"]}
    if model["ensemble"]:
        return {"name": "ensemble", **shape} | {
            "members": len(members(model["ensemble"])),
            "of": network,
        }
    return network


def check_neighbours(config, model, dataset):
    """Raise InputError if a completed recipe sees neighbours that the data set called ``dataset`` doesn't have, or that
    are test slices."""
    beside, entry = config["augmentations"][model["augmentation"]]["neighbours"], config["datasets"][dataset]
    key = f"augmentations/{model['augmentation']}/neighbours"
    if beside and entry["format"] == "ctc":
        raise InputError(
            f"config: {key} is {beside}, but of datasets/{dataset} only the annotated frames are read, which have "
            f"no neighbours; set it to 0"
        )
    split = entry["split"]
    if beside and split["method"] == "images":
        raise InputError(
            f"config: {key} is {beside}, but datasets/{dataset}/split shuffles slices, so that those beside would be "
            f"test slices; set it to 0, or use slabs or groups"
        )
    if beside > split["guard"] and split["method"] == "slabs":
        raise InputError(
            f"config: {key} is {beside}, but datasets/{dataset}/split/guard {split['guard']}, so that networks would "
            f"be trained on test slices; make guard as large"
        )


def check_model(config, name):
    """Raise InputError if a model's network can't be built, trained on its samples or applied with its tile."""
    model = completed_recipe(config["models"], name)
    architecture = architecture_of(config, model)
    architecture = architecture.get("of", architecture)
    known(f"models/{name}/network", architecture["name"], NETWORK_OPTIONS)
    options = {key: value for key, value in architecture.items() if key not in SHAPE}
    for option in options:
        known(f"models/{name}/options", option, NETWORK_OPTIONS[architecture["name"]])
    if "window" in options:
        known(f"models/{name}/options/window", options["window"], geometry.WINDOWS)
    layout = geometry.unet(max(DEPTHS)) if is_auto(model) else GEOMETRIES[architecture["name"]](options)
    if model["file"] is None and not is_auto(model):
        check_samples(config, name, model, layout)
    prediction = config["prediction"][model["prediction"]]
    if prediction["spread"] and prediction["store"] == "argmax":
        raise InputError(
            f"config: prediction/{model['prediction']} has both spread and store: argmax, which keeps no "
            f"probabilities; change one of them"
        )
    for key, sides in (("tile", prediction["tile"] or []), ("block", (prediction["block"] or [])[1:])):
        if any(side % layout.stride for side in sides):
            raise InputError(
                f"config: prediction/{model['prediction']}/{key} is {prediction[key]}; for models/{name} make y and x "
                f"of it multiples of {layout.stride}, or tiles would show"
            )


def check_samples(config, name, model, layout):
    """Raise InputError if the samples of the recipe ``name``, whose entry is ``model``, are too small."""
    least = layout.valid_size(1)
    size = config["augmentations"][model["augmentation"]]["input"]
    if size < least:
        raise InputError(
            f"config: augmentations/{model['augmentation']}/input is {size}, but the network of models/{name} needs "
            f"{least} pixels; enlarge the input or choose a network that sees less"
        )
    training = config["training"][model["training"]]
    if training["pixels"] and training["elastic"]["form"] != "none":
        raise InputError(
            f"config: training/{model['training']} has both pixels and elastic, which would blur those drawn; take "
            f"one of them out"
        )
    output = training["output"]
    if output and size < output + 2 * layout.context:
        raise InputError(
            f"config: training/{model['training']}/output is {output}, but for models/{name} that takes samples of "
            f"{output + 2 * layout.context} pixels and augmentations/{model['augmentation']}/input is {size}; enlarge "
            f"the input"
        )
