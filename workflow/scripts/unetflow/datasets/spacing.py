"""How large voxels are: what the configuration says, and what the files do."""

import numpy as np

from ..errors import InputError
from ..images.formats import NANOMETRES
from ..images.image_files import spacing_of_file

ROUNDED = 0.01  # share by which the size of a pixel may differ from what a file says


def spacing_of_image(path, count, name=None):
    """dict voxel_size, unit of a `stacks.Slice`, as a file says them of an image of ``count`` slices; z is 1 for one.

    name : of the image, where the file of a microscope holds several.
    """
    voxel_size, unit = spacing_of_file(str(path), name)
    if voxel_size and count == 1:
        voxel_size = (1.0, *voxel_size[1:])
    return {"voxel_size": voxel_size, "unit": unit}


def spacing(slices, voxel_size=None, unit=None):
    """(voxel size (z, y, x), unit or None) of a data set: those given, of the configuration, count more than what the
    files of its ``slices`` say. Raises InputError if nobody says it, or one file another size than the next."""
    if voxel_size:
        return voxel_size, unit
    first, *others = slices
    if first.voxel_size is None:
        raise InputError(
            f"the file of {first.name} doesn't say how large its voxels are; add voxel_size: [z, y, x] and unit to the "
            f"data set in the configuration ([1, 1, 1] if nobody knows)"
        )
    for one in others:
        if not same(first, one):
            raise InputError(
                f"the file of {one.name} says voxels of {one.voxel_size} {one.unit}, that of {first.name} "
                f"{first.voxel_size} {first.unit}; bring images to one size, or add voxel_size and unit to the data "
                f"set if the files are wrong"
            )
    return first.voxel_size, unit or first.unit


def same(one, other):
    """Whether two slices have voxels of one size."""
    if other.voxel_size is None or one.unit != other.unit:
        return False
    return np.allclose(one.voxel_size, other.voxel_size, rtol=ROUNDED)


def other_voxels(in_file, voxel_size, unit):
    """One sentence if ``in_file``, (voxel size, unit) as a file says them or None, are pixels of another size than
    ``voxel_size`` in ``unit``, else none."""
    said, unit_said = in_file
    if said and {unit, unit_said} <= set(NANOMETRES):
        factor = np.divide(said[1:], voxel_size[1:]) * NANOMETRES[unit_said] / NANOMETRES[unit]
        if np.abs(factor - 1).max() > ROUNDED:
            digits = [float(f"{size:.6g}") for size in said]
            yield (
                f"the file says voxels of {digits} {unit_said}; sizes of objects follow from those of the "
                f"configuration: take voxel_size and unit out of it, unless the file is wrong"
            )
