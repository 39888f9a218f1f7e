"""Losses by name: functions of (logits, target, weight)."""

import torch
from torch.nn.functional import cross_entropy


def weighted_cross_entropy(logits, target, weight):
    """Pixel-wise softmax cross-entropy, weighted (equation 1 of the U-Net paper); a scalar.

    logits float[n, class, y, x], target uint8 or int[n, y, x], weight float[n, y, x] with 0 for unknown pixels.
    ASSUME: divided by the sum of the weights, which makes the learning rate independent of the tile; the paper
    writes a plain sum.
    """
    loss = cross_entropy(logits.float(), torch.where(weight > 0, target, 0).long(), reduction="none")
    return (weight * loss).sum() / weight.sum().clamp(min=1e-6)


LOSSES = {"weighted_cross_entropy": weighted_cross_entropy}
