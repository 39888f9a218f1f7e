"""Size, place and grey values of every object of a volume, added up block by block."""

import numpy as np
import pandas as pd
import zarr
from unetflow import files, jobs
from unetflow.blocks import Grid, widened
from unetflow.images.axes import channels_of
from unetflow.images.sources import open_source
from unetflow.predictions import class_of
from unetflow.volumes import measures
from unetflow.volumes.parallel import in_parallel


def measure_objects(volume, segmentation, table, dimensions, workers, key):
    """Write ``table``, a row per object: the columns of `measures.table`, the unit; the image, where slices are files;
    the class, where there are several.

    volume : the `volumes` entry, whose grey values are measured, each of several channels in columns of its own
    (mean_0, sd_0, ...). dimensions : 2 if objects lie in a slice each, else 3.
    key : hash of code and volume. Blocks that an interrupted run measured are kept, if the objects are still the same.
    """
    source, objects = open_source(**volume), open_source(str(segmentation))
    channels = channels_of(volume["path"], volume.get("channel"))
    grid = Grid(objects.shape, objects.array.shards)
    key = files.fingerprint(key, volume, dimensions, files.stamps(segmentation))
    with jobs.state_folder(table, key) as state:

        def shape(z):
            return grid.shape[0], *source.size(z)

        def measured(number):
            """File of the measurements of one block, channel by channel."""
            start, stop = grid[number].start, grid[number].stop

            def write(path):
                low, high, core = widened(start, stop, (0, measures.HALO, measures.HALO), grid.shape)
                wide = objects.read(low, high)
                labels, lengths = wide[core], np.stack([measures.outlines(one) for one in wide])[core]
                values = np.zeros((len(labels), len(channels), *labels.shape[1:]))
                if labels.any():  # nothing is fetched for nothing
                    values = source.read(start, stop).reshape(values.shape)
                seen = (
                    measures.pieces(labels, one, lengths, start, shape, dimensions) for one in values.swapaxes(0, 1)
                )
                np.save(path, pd.concat(seen, keys=range(len(channels)), names=["place", "object"]).to_records())

            return files.made_once(state / f"{number}.npy", write)

        progress, found = jobs.Progress(len(grid), "block"), []
        for done, file in enumerate(in_parallel(measured, range(len(grid)), workers), 1):
            found.append(pd.DataFrame.from_records(np.load(file), index=["place", "object"]))
            progress(done)
        rows = measures.table(merged_by_channel(found, channels), objects.voxel_size, dimensions)
        if source.files and dimensions == 2:
            rows.insert(1, "image", np.array(source.files)[rows["z"].astype(int)])
        meta = zarr.open_group(segmentation, mode="r").attrs["unetflow"]
        if len(meta["classes"]) > 1:
            rows.insert(1, "class", np.array(meta["classes"])[class_of(rows["object"], meta["objects"])])
        rows.insert(len(rows.columns), "unit", objects.unit or "")
        rows.to_csv(state / "objects.csv", index=False, float_format="%.8g")
        files.publish(state / "objects.csv", table)
    cut_off = rows["at_border"].mean() if len(rows) else 0
    jobs.log.info(
        f"{len(rows)} objects, half of them with a diameter above {rows['diameter'].median():.4g} "
        f"{objects.unit or 'voxel sizes'}; {cut_off:.1%} are cut off by the border"
    )


def merged_by_channel(frames, channels):
    """dict channel -> `measures.merged` pieces. frames : of pieces, by the place of their channel in ``channels``."""
    every = pd.concat(frames)
    place = every.index.get_level_values("place")
    return {channel: measures.merged([every[place == k].droplevel("place")]) for k, channel in enumerate(channels)}


if __name__ == "__main__":
    with jobs.job(snakemake):
        measure_objects(
            volume=snakemake.params.volume,
            segmentation=snakemake.input.segmentation,
            table=snakemake.output.table,
            dimensions=snakemake.params.dimensions,
            workers=snakemake.threads,
            key=[snakemake.params.code, snakemake.params.content],
        )
