"""The methods paragraph of a paper, from what was run: data, splits, samples, training, prediction, software."""

from importlib.metadata import PackageNotFoundError, version
from math import prod

from ..experiment.recipes import SHAPE

REFERENCES = {
    "unet": "Ronneberger, O., Fischer, P., Brox, T. U-Net: Convolutional Networks for Biomedical Image Segmentation. "
    "MICCAI 2015. doi:10.1007/978-3-319-24574-4_28",
    "sliding_window": "Ciresan, D. C., Giusti, A., Gambardella, L. M., Schmidhuber, J. Deep Neural Networks Segment "
    "Neuronal Membranes in Electron Microscopy Images. NIPS 2012",
    "hypercolumn": "Hariharan, B., Arbelaez, P., Girshick, R., Malik, J. Hypercolumns for Object Segmentation and "
    "Fine-grained Localization. CVPR 2015",
    "fcn": "Long, J., Shelhamer, E., Darrell, T. Fully Convolutional Networks for Semantic Segmentation. CVPR 2015",
    "snakemake": "Moelder, F. et al. Sustainable data analysis with Snakemake. F1000Research 10:33 (2021)",
}
METHODS = {
    "slabs": "contiguous slabs, with {guard} guard slices on either side left out",
    "groups": "groups (sequences or files), each tested by networks trained on the others",
    "images": "parts of shuffled images",
}


def data(name, meta, split, folds):
    """Sentences on a data set. meta : attributes of its volume. split : its configuration. folds : those that ran."""
    slices = meta["slices"]
    annotated = sum(one["annotated"] for one in slices)
    shapes = sorted({tuple(one["shape"]) for one in slices}, key=prod)
    size = " x ".join(map(str, shapes[0])) + (f" to {' x '.join(map(str, shapes[-1]))}" if len(shapes) > 1 else "")
    voxel = " x ".join(f"{v:g}" for v in meta["voxel_size"])
    count = f"{split['folds']} " if split["method"] != "groups" else ""
    used = [f"; tested: {plural('fold', numbered)}"] if (numbered := [fold for fold in folds if fold != "all"]) else []
    if "all" in folds:
        official = any(one["part"] == "test" for one in slices)
        used.append("; fold all is everything annotated" + ", tested on the official test images" * official)
    normalised = (
        "of each file or sequence"
        if meta["normalisation"] == "group"
        else f"of all slices ({meta['mean']:.4g}, {meta['sd']:.4g})"
    )
    classes = f", by the classes {', '.join(meta['objects'])}" if len(meta["objects"]) > 1 else ""
    return (
        f"The data set {name} has {len(slices)} slices of {size} pixels (voxels of {voxel} {meta['unit'] or 'pixels'}, "
        f"z, y, x), {annotated} of them annotated{classes}. They were split into {count}"
        f"{METHODS[split['method']].format(guard=split['guard'])}{''.join(used)}. Grey values were normalised by the "
        f"mean and standard deviation {normalised}."
    )


def deformation(elastic):
    """Words for an elastic deformation, an entry of the configuration."""
    return {
        "none": "without elastic deformation",
        "grid": "elastic deformation from a {grid} x {grid} grid of Gaussian vectors of {sigma} pixels",
        "gaussian": "elastic deformation by noise smoothed with {sigma} pixels and scaled by {alpha}",
    }[elastic["form"]].format(**elastic)


def samples(options, weights):
    """Sentences on augmented samples. options, weights : the entries of the configuration."""
    weighted = {
        "none": "All pixels weighed the same.",
        "classes": "Pixels were weighed so that all classes count alike.",
        "2015": "Pixels were weighed by equation 2 of the U-Net paper (w0 = {w0}, sigma = {sigma}).",
        "2019": "Pixels were weighed as by Falk et al. (Nature Methods 16:67, 2019; w0 = {w0}, sigma = {sigma}).",
    }[weights["form"]].format(**weights)
    parted = f" Touching objects were parted by {weights['gap']} pixels." if weights["gap"] > 1 else ""
    width = weights["border_class"]
    bordered = (
        f" The outermost {width} pixels of objects were a class of their own, from inside which objects were flooded."
        if width
        else ""
    )
    amounts = {
        "rotation": "rotation up to {:g} degrees",
        "scale": "scaling up to {:g}",
        "contrast": "contrast varied by {:g}",
        "brightness": "brightness by {:g}",
        "noise": "noise up to {:g}",
    }
    varied = [words.format(options[key]) for key, words in amounts.items() if options[key]]
    beside = options["neighbours"]
    around = f", each with {beside} slice{'s' if beside > 1 else ''} above and below as channels," if beside else ""
    contacts = options["contacts"]
    copied = f" In each, up to {contacts} objects were first copied beside others." if contacts else ""
    return (
        f"From the training slices {options['samples']} samples of {options['input']} x {options['input']} "
        f"pixels{around} were drawn with shift, {', '.join(varied)}{', mirroring' if options['mirror'] else ''} and "
        f"{deformation(options['elastic'])}.{copied}{parted}{bordered} {weighted}"
    )


def training(description, parameters, seeds):
    """Sentence on a network and its training. description : the JSON beside its weights. seeds : all that were run."""
    recipe, network = description["training"], description["architecture"]
    options = ", ".join(f"{key} {value}" for key, value in network.items() if key not in SHAPE)
    optimizer = {"sgd": f"stochastic gradient descent (momentum {recipe['momentum']:g})", "adamw": "AdamW"}
    schedule = "" if recipe["schedule"] == "constant" else f", {recipe['schedule']} schedule"
    elastic = recipe["elastic"]
    anew = f", each with a new {deformation(elastic)}," if elastic["form"] != "none" else ""
    return (
        f"A network of the kind {network['name']} ({options}; {parameters:,} parameters) was trained for "
        f"{recipe['steps']:,} steps of {recipe['batch']} sample{'s' if recipe['batch'] > 1 else ''}{anew} by "
        f"{optimizer[recipe['optimizer']]} at a learning rate of {recipe['learning_rate']:g}{schedule}, in "
        f"{recipe['precision']}, on {description['device']}, with {plural('seed', seeds)}."
    )


def averaged(ensemble):
    """Sentence on an ensemble. ensemble : its entry of the configuration."""
    of = f" of the networks of {plural('fold', ensemble['folds'])}" if ensemble["folds"] else ""
    return f"The probabilities{of} were averaged."


def plural(noun, values):
    """A noun and its values, in words."""
    return f"{noun}{'s' if len(values) > 1 else ''} {', '.join(map(str, values))}"


# Where a computer can't do what is asked for, it is said, since only the log knows which one did.
ARITHMETIC = {
    "float32": "in float32",
    "bfloat16": "in bfloat16 (in float32 on processors without it)",
    "int8": "in integers of 8 bits (in bfloat16 by PyTorch, which computes on GPUs)",
}


def prediction(options):
    """Sentence on prediction. options : the `prediction` entry."""
    count = len(options["symmetries"])
    views = f"the mean over {count} symmetries of the square" if count > 1 else "one view"
    arithmetic = ARITHMETIC[options["precision"]]
    border = "mirrored at their borders" if options["border"] == "mirror" else "extended by zeros"
    return f"Images were {border} and predicted by overlapping tiles, which leave no seams, as {views}, {arithmetic}."


def objects(options):
    """Sentence on how probabilities became objects. options : the `segmentation` entry."""
    if options["choose"]:
        among = ", ".join(options["choose"]["among"])
        metric = options["choose"]["metric"]
        return f"Objects were cut by {among} that did best by {metric} on validation and training slices."
    seeds = (
        f"watershed from seeds above {options['seed_threshold']:g}"
        if options["seed_threshold"]
        else f"{'4' if options['connectivity'] == 1 else '8'}-connected components"
    )
    if options["neck"]:
        seeds += f", parted at necks below {options['neck']:g} of the depth of the thinner part,"
    smallest = f" of at least {options['min_size']} pixels" if options["min_size"] else ""
    grown = f", grown by {options['grow']} pixels" if options["grow"] else ""
    return f"Objects are {seeds}{smallest} of what has a probability above {options['threshold']:g}{grown}."


def versions(names):
    """dict name -> version of those of the packages that are installed where this runs."""
    found = {}
    for name in names:
        try:
            found[name] = version(name)
        except PackageNotFoundError:  # as Snakemake in a rule's own environment
            continue
    return found


def cited(networks):
    """References of the methods that ran."""
    names = dict.fromkeys(["unet", *("fcn" if name.startswith("fcn") else name for name in networks), "snakemake"])
    return [REFERENCES[name] for name in names]
