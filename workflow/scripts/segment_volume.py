"""Objects of a volume from its probabilities, joined across the blocks."""

import json
from pathlib import Path

import numpy as np
import zarr
from unetflow import files, jobs
from unetflow.blocks import Grid
from unetflow.images import ngff
from unetflow.predictions import VolumePrediction
from unetflow.volumes.joining import straight_cuts
from unetflow.volumes.objects import VolumeObjects
from unetflow.volumes.parallel import in_parallel
from unetflow.volumes.pyramid import add_pyramid
from unetflow.volumes.shards import Shards, scratch_shards


def segment_volume(prediction, segmentation, options, workers, key):
    """Write ``segmentation``, an OME-Zarr label image [z, y, x] whose objects are numbered from 1 without gaps.

    options : the `segmentation` entry. key : hash of the code. Blocks that an interrupted run finished are kept, as
    long as the prediction is the same.
    """
    source = VolumePrediction(prediction)
    grid = Grid(source.shape, source.block)
    key = files.fingerprint(key, options, files.stamps(prediction))
    with jobs.state_folder(segmentation, key) as state:
        found = VolumeObjects(source, grid, lambda name: scratch_shards(state, name, grid), options, workers)
        dtype, path = np.uint32 if sum(found.counts) < 2**32 else np.uint64, state / "segmentation.zarr"
        if not (path / "0/zarr.json").is_file():
            ngff.create_image(path, source.shape, dtype, source.voxel_size, source.unit, shard=source.block)
        array, progress = Shards(path / "0", state / "segmentation.jsonl"), jobs.Progress(len(grid), "block")

        def write(block):
            if not array.holds(block):
                array.write(block, found.read(block.start, block.stop).astype(dtype))

        for done, _ in enumerate(in_parallel(write, grid, workers), 1):
            progress(done)
        cut, faces = straight_cuts(array, grid, (0, 1, 2) if options["dimensions"] == 3 else (1, 2), source.size)
        zarr.open_group(path, mode="a").attrs["unetflow"] = {
            "classes": source.objects,
            "objects": found.counts,
            "cut_straight_at_a_block": len(cut),
            "faces_between_blocks": faces,
            "slices": source.slices,
        }
        add_pyramid(path, state, labels=True, workers=workers)
        files.publish(path, segmentation)
    told = ", ".join(f"{count} {name}" for name, count in zip(source.objects, found.counts))
    jobs.log.info(f"objects: {told}; {len(cut)} end straight at one of {faces} faces between blocks")


if __name__ == "__main__":
    with jobs.job(snakemake):
        chosen = json.loads(Path(snakemake.input.chosen[0]).read_text()) if snakemake.input.chosen else {}
        segment_volume(
            prediction=snakemake.input.prediction,
            segmentation=snakemake.output.segmentation,
            options=snakemake.params.segmentation | chosen,
            workers=snakemake.threads,
            key=snakemake.params.code,
        )
