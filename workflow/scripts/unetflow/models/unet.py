"""The U-Net of Ronneberger, Fischer, Brox (MICCAI 2015, Fig. 1) and its released variant."""

import torch
from torch import nn
from torch.nn.functional import max_pool2d

from .. import geometry
from .network import NORMS, Block, ExactConv2d, Network, contracting_path, initialise, one_of, trimmed

VARIANTS = ("paper", "phseg_v5")
SKIPS = ("concatenated", "summed")


class UNet(Network):
    """U-Net without padding: input ``float32[n, in_channels, y, x]``, output ``float32[n, classes, y', x']`` logits.

    With ``width=64, depth=4`` it is the network of the paper's Fig. 1 (31,030,658 parameters for one channel and
    two classes; 572 -> 388). ``variant="phseg_v5"`` is the network that was released with the paper: ReLU after
    each up-convolution, a last up-convolution of ``2 * width`` channels, and the up-sampled half first in each
    concatenation (31,100,354 parameters). ``skips="summed"`` adds the two halves instead of concatenating them.

    ``norm`` is "none" (the paper) or "batch", which is a fixed scale and shift at prediction and, after the first part
    of training (`Training.training_mode`), there too; normalisations that look at the tile (instance, group) would make
    the result depend on the tiling and do not exist here.
    """

    def __init__(
        self,
        in_channels=1,
        classes=2,
        width=64,
        depth=4,
        variant="paper",
        norm="none",
        dropout=0.5,
        skips="concatenated",
    ):
        super().__init__(geometry.unet(depth), classes, in_channels)
        for name, value, known in (("variant", variant, VARIANTS), ("norm", norm, NORMS), ("skips", skips, SKIPS)):
            one_of(name, value, known)
        self.depth, self.released, self.summed = depth, variant == "phseg_v5", skips == "summed"
        if self.released and self.summed:
            raise ValueError("skips can't be summed in the variant phseg_v5, whose halves differ in channels")
        channels = [width * 2**level for level in range(depth + 1)]
        upsampled = [max(c, 2 * width) if self.released else c for c in channels[:-1]]
        self.down = contracting_path(in_channels, channels, norm, [2] * (depth + 1))
        # Dropout on the last two levels of the contracting path (512 and 1024 channels in the paper's network).
        # ASSUME: on the 512-channel map before it is both pooled and copied; the paper only says "at the end".
        self.dropout = nn.Dropout(dropout)
        self.up = nn.ModuleList(
            nn.ConvTranspose2d(channels[level + 1], upsampled[level], 2, stride=2) for level in reversed(range(depth))
        )
        self.merge = nn.ModuleList(
            Block(upsampled[level] + (0 if self.summed else channels[level]), channels[level], norm)
            for level in reversed(range(depth))
        )
        self.head = ExactConv2d(width, classes, 1)
        self.apply(initialise)

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
            skip = trimmed(skips.pop(), 2 * geometry.unet(self.depth - 1 - len(skips)).context)
            if self.summed:
                x = merge(skip + x)
            else:
                x = merge(torch.cat([x, skip] if self.released else [skip, x], dim=1))
        return self.head(x)  # (n, classes, y - 2 context, x - 2 context)
