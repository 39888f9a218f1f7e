"""What classes pixels are of: background, those of objects that a data set names, and in some recipes their border."""

from itertools import combinations

from .. import BACKGROUND, BORDER, OBJECT, SPREAD
from ..errors import InputError
from ..sharing import packages
from .schema import listed


def objects_of(dataset):
    """Names of the classes of objects of a `datasets` entry, in their order."""
    return tuple(dataset.get("classes") or [OBJECT])


def classes_of(weights, objects=1):
    """How many classes a network has that is trained with a `weights` entry on so many classes of objects."""
    if weights.get("border_class") and objects > 1:
        raise InputError(
            f"border_class is {weights['border_class']}, but the data set has {objects} classes of objects, which no "
            f"border parts; set it to 0"
        )
    return 1 + objects + bool(weights.get("border_class"))


def check_classes(where, entry):
    """Raise InputError unless ``entry``, a data set or a volume's truth, names classes that can be told apart."""
    classes = entry["classes"] or {}
    if bool(classes) != (entry["labels"] == "classes"):
        raise InputError(
            f"config: {where} has labels: {entry['labels']} and {'' if classes else 'no '}classes; say both, as in "
            f"labels: classes and classes: {{nucleus: 1, cytoplasm: 2}}, or neither"
        )
    for name in (BACKGROUND, BORDER, SPREAD):
        if name in classes:
            raise InputError(f"config: {where}/classes/{name} has a name that means something else; give it another")
    for (one, values), (other, others) in combinations(classes.items(), 2):
        if both := set(listed(values)) & set(listed(others)):
            raise InputError(
                f"config: {where}/classes has the value {min(both)} for both {one} and {other}; keep one of them"
            )


def check_recipe(config, model, dataset):
    """Raise InputError if a completed recipe can't be trained on the classes of the data set called ``dataset``."""
    objects = objects_of(config["datasets"][dataset])
    if len(objects) < 2:
        return
    samples = config["augmentations"][model["augmentation"]]
    try:
        classes_of(config["weights"][samples["weights"]], len(objects))
    except InputError as error:
        raise InputError(f"config: weights/{samples['weights']} doesn't suit datasets/{dataset}: {error}") from error
    if samples["contacts"]:
        raise InputError(
            f"config: augmentations/{model['augmentation']}/contacts is {samples['contacts']}, but objects of several "
            f"classes, as datasets/{dataset} has, are not copied; set it to 0"
        )


def check_truth(config, volume, name, dataset):
    """Raise InputError if the truth of a volume names classes that the model ``name`` doesn't know.

    dataset : name of the data set that it is trained on, or None if it comes from a file.
    """
    if dataset:
        known = objects_of(config["datasets"][dataset])
    else:
        known = packages.objects_of(packages.describe(config["models"][name]["file"]))
    if strange := [one for one in config["volumes"][volume]["truth"]["classes"] or () if one not in known]:
        raise InputError(
            f"config: volumes/{volume}/truth/classes has {strange[0]!r}, but {name} knows {', '.join(known)}; give "
            f"classes the names that they were trained by"
        )
