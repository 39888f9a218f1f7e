"""Losses by name: functions of (logits, target, weight)."""

import torch


def weighted_cross_entropy(logits, target, weight):
    """Pixel-wise softmax cross-entropy, weighted (equation 1 of the U-Net paper); a scalar.

    logits float[n, class, y, x], target uint8 or int[n, y, x], weight float[n, y, x] with 0 for unknown pixels.
    ASSUME: divided by the sum of the weights, which makes the learning rate independent of the tile; the paper
    writes a plain sum.
    """
    target = torch.where(weight > 0, target, 0).long()
    # Gathered by hand, because the library's cross-entropy of images has no deterministic form on GPUs.
    loss = -torch.log_softmax(logits.float(), dim=1).gather(1, target[:, None])[:, 0]
    return (weight * loss).sum() / weight.sum().clamp(min=1e-6)


LOSSES = {"weighted_cross_entropy": weighted_cross_entropy}
