"""How the outputs of networks lie on their inputs; without PyTorch, so that a configuration is checked quickly."""

import math
from dataclasses import dataclass

# 3x3 convolutions of the five blocks of the VGG-16 network, and the side of the convolution after them.
VGG_BLOCKS, VGG_LAST = (2, 2, 3, 3, 3), 7
# Sides of the convolutions of the pixel classifier by the side of its window; each is followed by a 2x2 pooling.
# ASSUME: for 65 pixels, the sides that leave even sizes before every pooling.
WINDOWS = {65: (4, 4, 5), 95: (4, 5, 4, 4)}


@dataclass(frozen=True)
class Geometry:
    """Where a network without padding puts its output.

    context : pixels lost per side. stride : input offsets that are multiples of it leave the result unchanged.
    remainder : of the division of an input size by the stride, for which all poolings come out even.
    """

    context: int
    stride: int
    remainder: int

    def valid_size(self, size):
        """Smallest input size not below ``size`` that fits and gives at least one output pixel."""
        least = max(size, 2 * self.context + 1)
        return math.ceil((least - self.remainder) / self.stride) * self.stride + self.remainder


def lost(convolutions):
    """Input pixels lost per side by ``convolutions``, 3x3 ones per level, with a 2x2 pooling between levels."""
    return sum(count * 2**level for level, count in enumerate(convolutions))


def unet(depth):
    """Two 3x3 convolutions per level, on the way down and up: 92 pixels of context for four poolings."""
    before_pooling = lost([2] * depth)
    return Geometry(lost([2] * (depth + 1)) + before_pooling, 2**depth, 2 * before_pooling % 2**depth)


def hypercolumn(depth):
    """The way down alone; enlarging its lowest level bilinearly takes half a pixel of that level more."""
    return Geometry(lost([2] * (depth + 1)) + 2**depth // 2, 2**depth, 2 * lost([2] * depth) % 2**depth)


def fcn(finest):
    """The trunk of VGG-16, whose scores of 32 pixels' side are enlarged by steps of two to ``finest``, then at once.

    Each enlarging takes half of a pixel that is enlarged.
    """
    trunk, steps = lost(VGG_BLOCKS), [side for side in (32, 16, 8) if side >= finest]
    return Geometry(trunk + VGG_LAST // 2 * 32 + sum(steps) // 2, 32, 2 * trunk % 32)


def sliding_window(window):
    """One output pixel per window, at its centre, and a window for every pixel."""
    return Geometry(window // 2, 1, 0)
