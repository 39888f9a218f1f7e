"""Does the tiling show? The same slice of the user's own model, predicted at once and by tiles."""

import numpy as np
import pandas as pd
from unetflow import jobs, modelfile
from unetflow.inference import predict
from unetflow.stacks import Volume, read_split

WHOLE = 512  # pixels per side that are predicted at once; bounds the memory of the check


def check_tiling(volume, splits, model, table, ids, fold, device):
    """Write ``table``: the largest difference in probability between whole-image prediction and each tile size."""
    volume, network = Volume(volume), modelfile.load(model, device)
    name = read_split(splits, fold)["test"][0]
    image = volume.image(name)[:WHOLE, :WHOLE]
    whole = predict(network, image, tile=(WHOLE, WHOLE))
    rows = []
    for tile in (64, 128, 192):
        difference = float(np.abs(predict(network, image, tile=(tile, tile)) - whole).max())
        rows.append(
            {
                **ids,
                "image": name,
                "size": f"{image.shape[0]} x {image.shape[1]}",
                "tile": tile,
                "max_difference": difference,
            }
        )
        jobs.log.info(f"tiles up to {tile}: largest difference {difference:.2g}")
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
