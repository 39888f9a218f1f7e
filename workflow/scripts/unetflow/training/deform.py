"""A new elastic deformation of every sample in every step, computed where the network is trained."""

import torch
from torch.nn.functional import grid_sample


def deformed(offset, image, target, weight):
    """Image, target and weight as they look where each pixel comes from ``offset`` pixels further (dy, dx), mirrored
    beyond the borders: the image interpolated cubically (kernel of Keys 1981 with a = -0.75), the target by nearest
    neighbour, the weight linearly.

    offset float32[n, 2, y, x], as by `augment.displacement`; image float32[n, y, x] or [n, c, y, x], target uint8[n, y,
    x] and weight float32[n, y, x], on any device.
    """
    at = [torch.arange(size, device=offset.device, dtype=torch.float32) for size in offset.shape[-2:]]
    y, x = at[0][:, None] + offset[:, 0], at[1] + offset[:, 1]
    where = torch.stack([2 * place / (len(pixels) - 1) - 1 for place, pixels in ((x, at[1]), (y, at[0]))], dim=-1)

    def sampled(array, mode):
        channels = array.reshape(len(array), -1, *array.shape[-2:]).float()
        found = grid_sample(channels, where, mode, padding_mode="reflection", align_corners=True)
        return found.reshape(array.shape).to(array.dtype)

    return sampled(image, "bicubic"), sampled(target, "nearest"), sampled(weight, "bilinear")
