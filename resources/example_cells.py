"""A folder of images as an analyst might have it: ten images of cells, six of them with labels drawn.

Usage: .venv/bin/python resources/example_cells.py my_cells
"""

import sys
from pathlib import Path

import numpy as np
import tifffile
from skimage.io import imsave

sys.path.insert(0, str(Path(__file__).parents[1] / "workflow/scripts"))
from unetflow.datasets.synthetic import cell_images

LABELLED = 6


def main(folder):
    images, labels = cell_images(slices=10, size=256, cells=24, seed=5)
    for kind in ("images", "labels"):
        Path(folder, kind).mkdir(parents=True)
    for number, (image, truth) in enumerate(zip(images, labels)):
        name = f"well_{number:02d}"
        tifffile.imwrite(Path(folder, "images", f"{name}.tif"), image.astype(np.uint16) * 16)  # as a 12-bit camera
        if number < LABELLED:
            imsave(Path(folder, "labels", f"{name}.png"), truth.astype(np.uint16), check_contrast=False)
    print(f"{folder}: {len(images)} images, {LABELLED} of them with labels")


if __name__ == "__main__":
    main(*sys.argv[1:])
