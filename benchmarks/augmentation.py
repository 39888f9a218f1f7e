"""Elastic deformation of image, target and weight: ours against the libraries that people take for it."""

from functools import partial

import numpy as np
import torch
from scipy.ndimage import map_coordinates, zoom
from unetflow import augment

SIZE, GRID, SIGMA = 572, 3, 10.0  # pixels per side; vectors per side and their standard deviation, as in the paper
ORDERS = (3, 0, 1)  # of interpolation: image cubic, target nearest, weight linear
STILL = {"mirror": False, "angle": 0.0, "scale": 1.0, "centre": (SIZE // 2, SIZE // 2)}
DRAWN = STILL | {"contrast": 1.1, "brightness": 0.1, "noise": 0.1, "noise_seed": 0, "elastic_seed": 0}
OPTIONS = {"input": SIZE, "border": "mirror", "elastic": {"form": "grid", "grid": GRID, "sigma": SIGMA}}


def rows(seconds):
    """(name, our seconds, peer's seconds, peer's name, unit) of one thread, per sample of SIZE x SIZE pixels.

    seconds : function of several functions that gives the median seconds of each, called in turn. All draw a field and
    deform three arrays by it, interpolated by ORDERS, mirrored beyond the border.
    """
    torch.set_num_threads(1)
    rng = np.random.default_rng(0)
    image, target = rng.normal(size=(SIZE, SIZE)).astype(np.float32), rng.integers(0, 2, (SIZE, SIZE), np.uint8)
    arrays = image, target, rng.random((SIZE, SIZE), np.float32)
    peers = {
        "torch grid_sample": partial(by_torch, arrays),
        "SciPy, zoom and map_coordinates": partial(by_scipy, arrays),
    }
    for add in (by_elasticdeform, by_albumentations, by_batchgenerators, by_monai):
        try:
            peers |= add(*arrays)
        except ImportError as error:
            print(f"LEFT OUT, {error}: see benchmarks/requirements.txt")
    ours, whole, *times = seconds(
        partial(deformed, arrays), partial(augment.sample, DRAWN, OPTIONS, *arrays), *peers.values()
    )
    for name, peer in zip(peers, times):
        yield f"elastic deformation of three arrays, {SIZE} x {SIZE}", ours, peer, name, "s CPU"
        yield f"whole sample (that, rotation, grey values, noise), {SIZE} x {SIZE}", whole, peer, name, "s CPU"


def deformed(arrays):
    """Ours: one map of coordinates for all three arrays."""
    field = augment.grid_displacement((SIZE, SIZE), np.random.default_rng(0), GRID, SIGMA)
    at = augment.coordinates((SIZE, SIZE), STILL, field)
    kinds = augment.cv2.INTER_CUBIC, augment.cv2.INTER_NEAREST, augment.cv2.INTER_LINEAR
    return augment.warp(at, *zip(arrays, kinds))


def by_torch(arrays):
    """The same by PyTorch: its cubic kernel (a = -0.75) is another one, the work is the same."""
    vectors = torch.from_numpy(np.random.default_rng(0).normal(0, SIGMA, (1, 2, GRID, GRID)).astype(np.float32))
    field = torch.nn.functional.interpolate(vectors, (SIZE, SIZE), mode="bicubic", align_corners=True)[0]
    grid = torch.stack(torch.meshgrid(*[torch.arange(SIZE, dtype=torch.float32)] * 2, indexing="ij")) + field
    at = (2 * grid / (SIZE - 1) - 1).flip(0).permute(1, 2, 0)[None]
    for array, mode in zip(arrays, ("bicubic", "nearest", "bilinear")):
        tensor = torch.from_numpy(array)[None, None].float()
        torch.nn.functional.grid_sample(tensor, at, mode=mode, padding_mode="reflection", align_corners=True)


def by_scipy(arrays):
    vectors = np.random.default_rng(0).normal(0, SIGMA, (2, GRID, GRID))
    field = [zoom(one, SIZE / GRID, order=3) for one in vectors]
    at = np.indices((SIZE, SIZE)) + field
    return [map_coordinates(array, at, order=order, mode="mirror") for array, order in zip(arrays, ORDERS)]


def by_elasticdeform(*arrays):
    import elasticdeform

    def deform():
        vectors = np.random.default_rng(0).normal(0, SIGMA, (2, GRID, GRID))
        return elasticdeform.deform_grid(list(arrays), vectors, order=list(ORDERS), mode="mirror")

    return {"elasticdeform": deform}


def by_albumentations(*arrays):
    import albumentations
    import cv2

    options = {"interpolation": cv2.INTER_CUBIC, "mask_interpolation": cv2.INTER_NEAREST, "p": 1}
    options["border_mode"] = cv2.BORDER_REFLECT_101
    kinds = {
        "albumentations ElasticTransform": albumentations.ElasticTransform(alpha=300, sigma=30, **options),
        "albumentations GridElasticDeform": albumentations.GridElasticDeform(
            num_grid_xy=(GRID, GRID), magnitude=10, interpolation=cv2.INTER_CUBIC,
            mask_interpolation=cv2.INTER_NEAREST, p=1,
        ),
    }  # fmt: skip
    image, target, weight = arrays
    return {
        name: partial(
            albumentations.Compose([kind], additional_targets={"weight": "image"}),
            image=image,
            mask=target,
            weight=weight,
        )
        for name, kind in kinds.items()
    }


def by_batchgenerators(*arrays):
    from batchgenerators.augmentations.utils import create_zero_centered_coordinate_mesh as mesh
    from batchgenerators.augmentations.utils import elastic_deform_coordinates, interpolate_img

    def deform():
        at = elastic_deform_coordinates(mesh((SIZE, SIZE)), 200.0, 12.0)
        at = at + np.reshape([(SIZE - 1) / 2] * 2, (2, 1, 1))
        return [interpolate_img(array, at, order, "mirror") for array, order in zip(arrays, ORDERS)]

    return {"batchgenerators": deform}


def by_monai(*arrays):
    from monai.transforms import Rand2DElasticd

    transform = Rand2DElasticd(
        keys=["image", "target", "weight"], spacing=(SIZE // GRID, SIZE // GRID), magnitude_range=(5, 10), prob=1,
        mode=["bicubic", "nearest", "bilinear"], padding_mode="reflection",
    )  # fmt: skip
    named = {key: array[None].astype(np.float32) for key, array in zip(("image", "target", "weight"), arrays)}
    return {"MONAI Rand2DElasticd": lambda: transform(dict(named))}
