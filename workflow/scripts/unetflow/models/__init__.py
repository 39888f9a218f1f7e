"""Networks by name: the U-Net and the methods that its paper compares it with."""

import torch

from .ensemble import Ensemble
from .fcn import FCN8s, FCN16s, FCN32s
from .hypercolumn import Hypercolumn
from .sliding_window import SlidingWindow
from .unet import UNet

MODELS = {
    "unet": UNet,
    "sliding_window": SlidingWindow,
    "hypercolumn": Hypercolumn,
    "fcn8s": FCN8s,
    "fcn16s": FCN16s,
    "fcn32s": FCN32s,
}


def build(name, in_channels=1, classes=2, neighbours=0, **options):
    """The network called ``name`` with fresh weights; ``options`` are those of its class.

    ``in_channels`` are those of a slice and of its ``neighbours``, as many above as below.

    "ensemble" is ``members`` (a number) networks that are built from the arguments ``of`` (a dict).

    Raises ValueError for a name that is not in ``MODELS`` and for options out of range.
    """
    if name == "ensemble":
        return Ensemble([build(**options["of"]) for _ in range(options["members"])])
    if name not in MODELS:
        raise ValueError(f"no network is called {name!r}; there are: {', '.join(MODELS)}")
    network = MODELS[name](in_channels=in_channels, classes=classes, **options)
    network.neighbours = neighbours
    return network


def blueprint(name, **options):
    """What `build` makes, but for the data of its weights, which take time to draw and memory: on the meta device."""
    with torch.device("meta"):
        return build(name, **options)
