"""Does the tiling show? The same slice of the user's own model, predicted at once and by tiles."""

import numpy as np
import pandas as pd
from unetflow import jobs
from unetflow.datasets.stacks import Volume, read_split
from unetflow.inference import predict
from unetflow.sharing import modelfile
from unetflow.tiles import even_part

WHOLE = 512  # pixels per side that are predicted at once; bounds the memory of the check
PARTS = (2, 3, 5)  # tiles per side


def check_tiling(volume, splits, model, table, ids, fold, device):
    """Write ``table``: the largest difference in probability between whole-image prediction and tiles of any size."""
    volume, network = Volume(volume), modelfile.load(model, device)
    name = read_split(splits, fold)["test"][0]
    image = volume.image(name, network.neighbours)[..., :WHOLE, :WHOLE]
    whole = predict(network, image, tile=(WHOLE, WHOLE))
    rows = []
    for parts in PARTS:
        tile = tuple(even_part(side, parts, network.stride) for side in image.shape[-2:])
        difference = float(np.abs(predict(network, image, tile=tile) - whole).max())
        size, cut = (" x ".join(map(str, shape)) for shape in (image.shape[-2:], tile))
        rows.append({**ids, "image": name, "size": size, "tile": cut, "max_difference": difference})
        jobs.log.info(f"tiles of {cut}: largest difference {difference:.2g}")
    pd.DataFrame(rows).to_csv(table, index=False)


if __name__ == "__main__":
    with jobs.job(snakemake):
        check_tiling(
            volume=snakemake.input.volume,
            splits=snakemake.input.splits,
            model=snakemake.input.model,
            table=snakemake.output.table,
            ids=snakemake.params.ids,
            fold=snakemake.wildcards.fold,
            device=jobs.device(snakemake.resources.get("gpu", 0), snakemake.threads),
        )
