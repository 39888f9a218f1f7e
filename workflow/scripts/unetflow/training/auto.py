"""A recipe from the data: network, samples, length and weights, written as YAML that can be edited.

It follows from the training slices of a fold and from the device. No result is looked at, and no test slice.
"""

from math import ceil, pi, sqrt

import numpy as np
import yaml
from skimage.segmentation import find_boundaries

from .. import IGNORE, geometry, memory
from ..errors import InputError
from ..experiment.recipes import DEPTHS
from ..models import blueprint

WIDTHS = {"cpu": (16, 8, 4), "cuda": (64, 48, 32, 16, 8, 4)}  # the widest whose training fits the memory is taken
OUTPUT = {"cpu": 296, "cuda": 388}  # pixels per side that a step predicts, unless images are smaller
# Steps for a million annotated pixels; more pixels take longer, but not in proportion (docs/results/search).
STEPS = {"cpu": 3000, "cuda": 6000}
SHORTEST, LONGEST = 0.5, 2.5  # of them, whatever the pixels
# Learning rate up to the width that it was found with. AdamW moves each weight by it, however many are added up: a
# network of width 64 went astray by it, and learnt by a quarter (docs/results/gpu).
RATE, RATE_WIDTH = 0.001, 16
LARGEST_BATCH = 8
FULL = 0.95  # share of the labels above which objects leave no background but what parts them
COPIES = 3  # objects copied beside others in a sample, where none touch in the training slices (docs/results/cells)
# The same for all data: what served cell tracking sets and EM (docs/results).
VARIED = {"rotation": 180, "scale": 0.1, "contrast": 0.5, "brightness": 0.5, "noise": 0.2}
TRAINING = {
    **{"optimizer": "adamw", "weight_decay": 0.0001, "schedule": "cosine", "warmup": 100},
    **{"clip": 1, "average": 0.99, "symmetries": True, "precision": "bfloat16"},
    **{"validate_every": 250, "checkpoint_every": 250},
}


def statistics(slices):
    """What the recipe follows from. slices : list of int[y, x] labels, 0 background, 1.. objects, `IGNORE` unknown.

    Returns a dict: slices; side, the longest of an image (pixels); pixels with a known label; covered, the share of
    them in objects; objects; diameter, of a disc as large as the object in which half of all object pixels lie, when
    they are sorted by their object's size, so that fragments don't count for much; median, the diameter of the object
    in the middle, which is smaller where few large objects hold most pixels; touching, whether objects meet.
    """
    areas = np.sort(np.concatenate([np.unique(labels[labels > 0], return_counts=True)[1] for labels in slices]))
    places = np.searchsorted(areas.cumsum(), areas.sum() / 2), len(areas) // 2
    typical, middle = areas[list(places)] if len(areas) else (0, 0)
    pixels = sum(int((labels != IGNORE).sum()) for labels in slices)
    return {
        "slices": len(slices),
        "side": max(max(labels.shape) for labels in slices),
        "pixels": pixels,
        "covered": round(float(areas.sum() / pixels), 3),
        "objects": len(areas),
        "diameter": diameter_of(typical),
        "median": diameter_of(middle),
        "touching": any(meet(labels) for labels in slices),
    }


def diameter_of(area):
    """Diameter (pixels) of the disc with this ``area``."""
    return round(2 * sqrt(area / pi), 1)


def meet(labels):
    """Whether two objects of int[y, x] have no background between them."""
    cells = np.maximum(labels, 0)
    return bool((find_boundaries(cells, mode="inner") & ~find_boundaries(cells > 0, mode="inner")).any())


def derive(found, labels_are, device, room):
    """The recipe, a dict with the keys SECTIONS as the configuration has them under these names.

    found : what `statistics` returns. labels_are : "instances", "binary" or "classes". device : "cpu" or "cuda".
    room : bytes that training may take. Raises InputError if not even the narrowest network fits.
    """
    diameter = found["diameter"]
    # A context of more than half an image sees little but mirrored pixels.
    depths = [d for d in DEPTHS if 2 * geometry.unet(d).context <= found["side"]] or DEPTHS[:1]
    depth = next((d for d in depths if geometry.unet(d).context >= diameter), depths[-1])
    layout = geometry.unet(depth)
    output = min(OUTPUT[device], ceil(found["side"] / layout.stride) * layout.stride)
    batch = min(LARGEST_BATCH, max(1, round((OUTPUT[device] / output) ** 2)))
    longer = float(np.clip(sqrt(found["pixels"] / 1e6), SHORTEST, LONGEST))
    instances, channels = labels_are == "instances", width(depth, output, batch, device, room)
    rate = RATE * min(1, RATE_WIDTH / channels)
    return {
        "network": {"depth": depth, "width": channels, "norm": "batch", "dropout": 0},
        "weights": weights(found) if instances else {"form": "none"},
        "augmentation": {
            "input": layout.valid_size(output + 2 * layout.context),
            **VARIED,
            "contacts": COPIES if instances and not found["touching"] else 0,
            "elastic": {"form": "grid", "grid": 3, "sigma": float(np.clip(round(diameter / 6), 2, 10))},
        },
        "training": {
            **{"steps": int(round(longer * STEPS[device], -2)), "batch": batch, "learning_rate": rate},
            **TRAINING,
        },
    }


def weights(found):
    """The weight map of instances: equation 2, with a border and, between touching objects, a gap that suit the median
    one.

    Classes are balanced where background is the rarer one, since it is what parts objects. Where objects are, more
    weight on them would only widen them (docs/results/search); where they cover all, balance would weigh the lines
    between them a second time, and probabilities and objects are worse (docs/log.md).
    """
    diameter = found["median"]
    return {
        "form": "2015",
        "w0": 10,
        "sigma": float(np.clip(round(diameter / 8), 1, 5)),
        "gap": 1 if diameter < 20 else 3 if diameter < 50 else 5,
        "class_balance": 0.5 < found["covered"] < FULL,
    }


def width(depth, output, batch, device, room):
    """Channels of the first level: the most whose training fits ``room`` bytes."""
    for channels in WIDTHS[device]:
        network = blueprint("unet", depth=depth, width=channels, norm="batch")
        side = network.geometry.valid_size(output + 2 * network.context)
        needed = memory.training_bytes(network, batch, (side, side))
        if needed <= room:
            return channels
    raise InputError(
        f"{max(room, 0) / 1e6:.0f} MB are left for training, but the narrowest network needs {needed / 1e6:.0f} MB; "
        f"raise the memory limit"
    )


def in_yaml(recipe, comments):
    """A recipe as text, with ``comments`` (lines) above."""
    head = "".join(f"# {line}\n" for line in comments)
    return head + yaml.safe_dump(recipe, sort_keys=False, default_flow_style=None)
