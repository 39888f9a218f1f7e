"""Work on the blocks of a volume that no network takes part in: by the threads of the job, or by Dask's workers.

Where the workers are is told in Dask's own configuration, since it is no part of an experiment (docs/hpc.md):

    DASK_UNETFLOW__WORKERS=local               processes of this machine, as many as the job has threads
    DASK_UNETFLOW__WORKERS=tcp://node1:8786    those of a Dask scheduler that is running there
    DASK_UNETFLOW__WORKERS=slurm               SLURM jobs, as `jobqueue.slurm` says; DASK_UNETFLOW__JOBS of them (4)

What the workers need of this package they find through PYTHONPATH.
"""

import atexit
import os
from functools import cache, partial
from pathlib import Path

import dask

from ..errors import InputError

SCRIPTS = Path(__file__).parents[2]


def in_parallel(function, items, workers):
    """``function`` of every item, in order; not more than a few per worker are held at a time.

    workers : threads of this job, and processes for "local".
    """
    items, done, place = list(items), 0, dask.config.get("unetflow.workers", "threads")
    if place == "threads":
        compute, at_work = partial(by_threads, function, workers), lambda: workers
    else:
        cluster = client(place, workers)
        compute, at_work = by_workers(function, cluster), lambda: max(1, sum(cluster.nthreads().values()))
    while done < len(items):
        some = items[done : done + 4 * at_work()]  # SLURM's workers come one after the other
        yield from compute(some)
        done += len(some)


def by_threads(function, workers, items):
    tasks = [dask.delayed(function, pure=False)(item) for item in items]
    return dask.compute(*tasks, scheduler="threads", num_workers=workers)


def by_workers(function, client):
    """A function of items that has ``function`` done by the workers of a cluster, to each of which it is sent once.

    It goes as the result of a task, which the scheduler makes anew if the workers that hold it are lost.
    """
    sent = client.submit(_itself, function, pure=False)
    return lambda items: client.gather([client.submit(_call, sent, item, pure=False) for item in items])


def _itself(function):
    return function


def _call(function, item):
    return function(item)


@cache
def client(place, workers):
    """The Dask client of this process; what it starts ends with the process. Raises InputError for an unknown place."""
    from distributed import Client

    # New processes find this package there, in whatever way they are started.
    paths = [str(SCRIPTS), *filter(None, [os.environ.get("PYTHONPATH")])]
    os.environ["PYTHONPATH"] = os.pathsep.join(dict.fromkeys(paths))
    if place == "local":
        cluster = local_cluster(workers)
    elif place == "slurm":
        cluster = slurm_cluster()
    elif "://" in str(place):
        cluster = str(place)
    else:
        raise InputError(
            f"DASK_UNETFLOW__WORKERS is {place!r}; it must be threads, local, slurm or the address of a scheduler "
            f"(tcp://node1:8786)"
        )
    client = Client(cluster, timeout=60)
    atexit.register(client.shutdown if place in ("local", "slurm") else client.close)
    return client


def local_cluster(workers):
    from distributed import LocalCluster

    return LocalCluster(n_workers=workers, threads_per_worker=1, dashboard_address=None, host="127.0.0.1")


def slurm_cluster():
    """A cluster of SLURM jobs; what each asks for stands under `jobqueue.slurm` in Dask's configuration."""
    from dask_jobqueue import SLURMCluster

    path = f"export PYTHONPATH={os.environ['PYTHONPATH']}"
    prologue = [*(dask.config.get("jobqueue.slurm.job-script-prologue", None) or []), path]
    cluster = SLURMCluster(job_script_prologue=prologue)
    cluster.scale(jobs=int(dask.config.get("unetflow.jobs", 4)))
    return cluster
