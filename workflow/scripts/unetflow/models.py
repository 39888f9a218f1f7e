"""Networks by name: the U-Net of Ronneberger, Fischer, Brox (MICCAI 2015, Fig. 1) and its released variant.

Every module says how its output lies on its input: ``context`` (pixels lost per side), ``stride`` (input
offsets that are multiples of it leave the result unchanged), ``valid_shape(shape)`` (the smallest input
of at least that shape for which all poolings come out even), and ``classes``.
"""

import math

import torch
from torch import nn
from torch.nn.functional import max_pool2d

VARIANTS = ("paper", "phseg_v5")
NORMS = {"none": lambda channels: nn.Identity(), "batch": nn.BatchNorm2d}


class ExactConv2d(nn.Conv2d):
    """A convolution that stays in float32 where the network runs in bfloat16.

    The first and the last of a network are such: what is rounded there shows most in the probabilities, and there is
    little to compute (docs/log.md).
    """

    def forward(self, x):
        if x.is_meta:  # no data: only sizes are asked for, and autocast knows no such device
            return super().forward(x)
        with torch.autocast(x.device.type, enabled=False):
            return super().forward(x.to(self.weight.dtype))


class DoubleConv(nn.Sequential):
    """Two unpadded 3x3 convolutions (the first as ``first``), each followed by the normalisation and a ReLU."""

    def __init__(self, in_channels, channels, norm, first=nn.Conv2d):
        super().__init__(
            first(in_channels, channels, 3),
            NORMS[norm](channels),
            nn.ReLU(inplace=True),
            nn.Conv2d(channels, channels, 3),
            NORMS[norm](channels),
            nn.ReLU(inplace=True),
        )


class UNet(nn.Module):
    """U-Net without padding: input ``float32[n, in_channels, y, x]``, output ``float32[n, classes, y', x']`` logits.

    With ``width=64, depth=4`` it is the network of the paper's Fig. 1 (31,030,658 parameters for one channel and
    two classes; 572 -> 388). ``variant="phseg_v5"`` is the network that was released with the paper: ReLU after
    each up-convolution, a last up-convolution of ``2 * width`` channels, and the up-sampled half first in each
    concatenation (31,100,354 parameters).

    ``norm`` is "none" (the paper) or "batch", which is a fixed scale and shift at prediction and, after the first part
    of training (`Training.training_mode`), there too; normalisations that look at the tile (instance, group) would make
    the result depend on the tiling and do not exist here.
    """

    def __init__(self, in_channels=1, classes=2, width=64, depth=4, variant="paper", norm="none", dropout=0.5):
        super().__init__()
        if variant not in VARIANTS:
            raise ValueError(f"variant is {variant!r}; it must be one of {', '.join(VARIANTS)}")
        if norm not in NORMS:
            raise ValueError(f"norm is {norm!r}; it must be one of {', '.join(NORMS)}, which don't depend on the tile")
        self.classes, self.depth, self.released = classes, depth, variant == "phseg_v5"
        channels = [width * 2**level for level in range(depth + 1)]
        upsampled = [max(c, 2 * width) if self.released else c for c in channels[:-1]]
        self.down = nn.ModuleList(
            DoubleConv(before, after, norm, nn.Conv2d if level else ExactConv2d)
            for level, (before, after) in enumerate(zip([in_channels, *channels], channels))
        )
        # Dropout on the last two levels of the contracting path (512 and 1024 channels in the paper's network).
        # ASSUME: on the 512-channel map before it is both pooled and copied; the paper only says "at the end".
        self.dropout = nn.Dropout(dropout)
        self.up = nn.ModuleList(
            nn.ConvTranspose2d(channels[level + 1], upsampled[level], 2, stride=2) for level in reversed(range(depth))
        )
        self.merge = nn.ModuleList(
            DoubleConv(channels[level] + upsampled[level], channels[level], norm) for level in reversed(range(depth))
        )
        self.head = ExactConv2d(width, classes, 1)
        self.apply(initialise)

    @property
    def context(self):
        """Pixels lost per side: 92 for ``depth=4``."""
        return context_of_depth(self.depth)

    @property
    def stride(self):
        return 2**self.depth

    def valid_shape(self, shape):
        """Smallest input shape ``(y, x)`` not below ``shape`` that gives at least one output pixel."""
        remainder = -4 % self.stride
        least = 2 * self.context + 1
        return tuple(
            math.ceil((max(size, least) - remainder) / self.stride) * self.stride + remainder for size in shape
        )

    def forward(self, x):  # (n, in_channels, y, x)
        skips = []
        for level, block in enumerate(self.down):
            x = block(x)  # (n, width * 2**level, y / 2**level, x / 2**level), less the borders
            if level >= self.depth - 1:
                x = self.dropout(x)
            if level < self.depth:
                skips.append(x)
                x = max_pool2d(x, 2)
        for up, merge in zip(self.up, self.merge):
            x = up(x)
            if self.released:
                x = torch.relu(x)
            skip = trimmed(skips.pop(), 2 * context_of_depth(self.depth - 1 - len(skips)))
            x = merge(torch.cat([x, skip] if self.released else [skip, x], dim=1))
        return self.head(x)  # (n, classes, y - 2 context, x - 2 context)


def context_of_depth(depth):
    """Pixels that a U-Net with ``depth`` poolings loses per side: 2 per block, doubled with each level."""
    return 6 * 2**depth - 4


def initialise(module):
    """Gaussian weights of std sqrt(2 / fan_in) and biases 0 (section 3 of the paper)."""
    if isinstance(module, nn.Conv2d | nn.ConvTranspose2d):
        kernel = module.kernel_size[0] * module.kernel_size[1]
        # Kernel and stride of the up-convolution are both 2: one input pixel reaches each output pixel.
        taps = 1 if isinstance(module, nn.ConvTranspose2d) else kernel
        nn.init.normal_(module.weight, std=math.sqrt(2 / (module.in_channels * taps)))
        nn.init.zeros_(module.bias)


def centre_crop(array, shape):
    """Central ``shape`` of the last two axes; works on tensors and arrays alike."""
    top, left = ((have - want) // 2 for have, want in zip(array.shape[-2:], shape))
    return array[..., top : top + shape[0], left : left + shape[1]]


def trimmed(array, margin):
    """``array[..., y, x]`` without ``margin`` pixels on every side; a graph traced from it fits any shape."""
    return array[..., margin:-margin, margin:-margin] if margin else array


MODELS = {"unet": UNet}


def build(name, in_channels=1, classes=2, **options):
    """The network called ``name`` with fresh weights; ``options`` are those of its class.

    Raises ValueError for a name that is not in ``MODELS`` and for options out of range.
    """
    if name not in MODELS:
        raise ValueError(f"no network is called {name!r}; there are: {', '.join(MODELS)}")
    return MODELS[name](in_channels=in_channels, classes=classes, **options)
