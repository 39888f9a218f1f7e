"""A pixel classifier on the features of several levels at once: hypercolumns (Hariharan et al., CVPR 2015)."""

import torch
from torch import nn
from torch.nn.functional import interpolate, max_pool2d

from .. import geometry
from .network import NORMS, ExactConv2d, Network, contracting_path, initialise, one_of, trimmed


class Hypercolumn(Network):
    """Features of all levels of a contracting path, enlarged bilinearly to every pixel and classified together.

    The contracting path is that of a `UNet` of the same ``width`` and ``depth``; the classifier is a 1x1 convolution to
    ``hidden`` channels, a ReLU and a 1x1 convolution to the classes. A 1x1 convolution of the concatenated features is
    the sum of one per level, which is taken before enlarging: the same numbers, with ``hidden`` channels instead of
    31 * ``width`` at full size.
    """

    def __init__(self, in_channels=1, classes=2, width=64, depth=4, norm="none", hidden=64):
        super().__init__(geometry.hypercolumn(depth), classes, in_channels)
        one_of("norm", norm, NORMS)
        channels = [width * 2**level for level in range(depth + 1)]
        self.down = contracting_path(in_channels, channels, norm, [2] * (depth + 1))
        self.mix = nn.ModuleList(nn.Conv2d(c, hidden, 1) for c in channels)
        self.margins = [self.context - geometry.lost([2] * (level + 1)) for level in range(depth + 1)]
        self.head = ExactConv2d(hidden, classes, 1)
        self.apply(initialise)

    def forward(self, x):  # (n, in_channels, y, x)
        total = 0
        for level, (block, mix, margin) in enumerate(zip(self.down, self.mix, self.margins)):
            x = block(max_pool2d(x, 2) if level else x)
            features = mix(x)  # (n, hidden, y / 2**level, x / 2**level), less the borders
            if level:
                features = interpolate(features, scale_factor=2**level, mode="bilinear", align_corners=False)
            total = total + trimmed(features, margin)
        return self.head(torch.relu(total))
