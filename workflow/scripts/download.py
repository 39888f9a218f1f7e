"""Fetch a data set: the only step that uses the network."""

import shutil

from unetflow import files, jobs
from unetflow.datasets.fetch import fetch, unpack
from unetflow.errors import InputError


def download(folder, dataset, source):
    """Download and unpack one archive into ``folder``.

    ``source`` is the `download` entry of the data set: urls, sha256, max_gb. A broken transfer goes on where it broke,
    also in a later run.
    """
    with jobs.state_folder(folder, files.fingerprint(source)) as state:
        archive = state / "archive.zip"
        if not archive.is_file():
            try:
                fetch(source["urls"], archive, source["sha256"], progress=Megabytes())
            except InputError as error:
                raise InputError(
                    f"{error}; if this machine has no network, fetch {source['urls'][0]} elsewhere, unpack it, and set "
                    f"datasets/{dataset}/path to that folder"
                ) from error
        unpacked = state / "unpacked"
        shutil.rmtree(unpacked, ignore_errors=True)  # of an interrupted run
        unpacked.mkdir()
        try:
            unpack(archive, unpacked, max_bytes=source["max_gb"] * 1e9)
        except InputError as error:
            raise InputError(f"datasets/{dataset}: {error}") from error
        files.publish(unpacked, folder)


class Megabytes:
    """Progress of a transfer in whole megabytes."""

    def __init__(self):
        self.progress = None

    def __call__(self, done, total):
        if total and self.progress is None:
            self.progress = jobs.Progress(total // 10**6, "MB")
        if self.progress:
            self.progress(done // 10**6)


if __name__ == "__main__":
    with jobs.job(snakemake):
        download(
            folder=snakemake.output[0],
            dataset=snakemake.wildcards.dataset,
            source=snakemake.params.source,
        )
