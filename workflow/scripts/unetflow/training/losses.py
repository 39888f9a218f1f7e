"""Losses by name: functions of (logits, target, weight)."""

import numpy as np
import torch


def weighted_cross_entropy(logits, target, weight):
    """Pixel-wise softmax cross-entropy, weighted (equation 1 of the U-Net paper); a scalar.

    logits float[n, class, y, x], target uint8 or int[n, y, x], weight float[n, y, x] with 0 for unknown pixels.
    ASSUME: divided by the sum of the weights, which makes the learning rate independent of the tile; the paper
    writes a plain sum.
    """
    target = torch.where(weight > 0, target, 0)
    # By hand, because the library's cross-entropy of images has no deterministic form on GPUs, and that of gathering is
    # slow there.
    is_class = target[:, None] == torch.arange(logits.shape[1], device=target.device)[:, None, None]
    loss = -torch.where(is_class, torch.log_softmax(logits.float(), dim=1), 0).sum(dim=1)
    return (weight * loss).sum() / weight.sum().clamp(min=1e-6)


def cross_entropy_and_dice(logits, target, weight):
    """`weighted_cross_entropy` plus 1 - the soft Dice coefficient, mean of all classes but background, which weighs a
    class's pixels against those found too much, however few they are (Milletari et al. 2016, squares in the
    denominator); a scalar.

    Arguments as there. The Dice term knows of ``weight`` only whether a pixel is known.
    """
    known = weight > 0
    found = torch.softmax(logits.float(), dim=1) * known[:, None]
    coefficients = []
    for number in range(1, logits.shape[1]):
        truth, of_class = ((target == number) & known).float(), found[:, number]
        coefficients.append((2 * (of_class * truth).sum() + 1) / ((of_class**2).sum() + (truth**2).sum() + 1))
    return weighted_cross_entropy(logits, target, weight) + 1 - torch.stack(coefficients).mean()


def balanced_sample(target, weight, count, rng):
    """``weight`` float[n, y, x] of ``count`` pixels of each image, half of them of objects, at random; 0 elsewhere.

    target uint8[n, y, x]; only pixels with a positive weight are drawn, each at most once, so that a class with fewer
    of them gives all it has. A network that sees all windows at once is trained by it on the same number of windows of
    either class, as Ciresan et al. (NIPS 2012) do.
    """
    drawn = np.zeros(weight.shape, np.float32)
    for kept, labels, given in zip(drawn, target, weight):
        for is_object in (False, True):
            usable = np.flatnonzero((given > 0) & ((labels > 0) == is_object))
            chosen = rng.choice(usable, min(count // 2, usable.size), replace=False)
            kept.flat[chosen] = given.flat[chosen]
    return drawn


LOSSES = {"weighted_cross_entropy": weighted_cross_entropy, "cross_entropy_and_dice": cross_entropy_and_dice}
