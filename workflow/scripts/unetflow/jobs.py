"""What all scripts share: the log, one sentence instead of a traceback for bad input, the device, state folders."""

import errno
import json
import logging
import os
import shutil
import socket
import sys
import tempfile
import threading
import time
import traceback
import zlib
from contextlib import contextmanager, nullcontext, suppress
from pathlib import Path

import psutil

from . import slurm
from .errors import InputError
from .files import publish, write_atomically

log = logging.getLogger("unetflow")
NOTING = threading.Lock()  # threads of a job share its journal
FREE = "free some space, then run the same command again: what is finished is kept"
UNWRITABLE = {  # what keeps a job from writing, and what to do about it
    errno.ENOSPC: FREE,
    errno.EDQUOT: FREE,
    errno.EROFS: "run in a folder that can be written to (snakemake --directory)",
    errno.EACCES: "make it yours, or run in a folder of your own (snakemake --directory)",
}


@contextmanager
def job(snakemake):
    """Run the body of a script: log to file and terminal; bad input ends it with one sentence and exit code 1."""
    name = " ".join([snakemake.rule, *snakemake.wildcards])
    handlers = [logging.StreamHandler(sys.stderr)]
    handlers += [logging.FileHandler(path, mode="w") for path in snakemake.log]
    # Libraries are heard from WARNING on, and tifffile not at all: it describes damage that a sentence of ours names.
    logging.getLogger("tifffile").setLevel(logging.CRITICAL)
    logging.basicConfig(format=f"[%(asctime)s] {name}: %(message)s", datefmt="%H:%M:%S", handlers=handlers, force=True)
    log.setLevel(logging.INFO)
    if slurm.own_job():
        log.info(f"SLURM job {slurm.own_job()} on {slurm.node()}, after {slurm.waited()} s in the queue")
    try:
        yield
    except KeyboardInterrupt:
        log.warning("interrupted; the same command goes on from what is finished")
        sys.exit(130)
    except Exception as error:
        log.error(in_words(error))
        sys.exit(1)


def in_words(error):
    """What is said of an exception: one sentence for what users can mend, a traceback for what we must."""
    if isinstance(error, InputError):
        return str(error)
    if isinstance(error, OSError) and error.errno in UNWRITABLE:
        where = error.filename2 or error.filename or "the results folder, or TMPDIR"
        return f"can't write to {where}: {os.strerror(error.errno)}; {UNWRITABLE[error.errno]}"
    return "failed; please report this with the traceback\n" + "".join(traceback.format_exception(error))


class Progress:
    """Says every few seconds how far a loop is, at which rate, and how long the rest will take: a line each, no bar."""

    def __init__(self, total, unit, every=10.0):
        self.total, self.unit, self.every = total, unit, every
        self.created = self.began = self.said = time.monotonic()
        self.first = None

    def __call__(self, done, note=""):
        if not done:
            return
        now = time.monotonic()
        if self.first is None:
            self.first, self.began = done, now  # the first one pays for the warm-up, and a resumed loop starts late
        if now - self.said < self.every and done < self.total:
            return
        self.said = now
        only_one = done == self.first
        rate = (now - self.created) / done if only_one else (now - self.began) / (done - self.first)
        rate = max(rate, 1e-9)  # seconds; a clock may not have moved
        left = time.strftime("%H:%M:%S", time.gmtime(rate * (self.total - done)))
        pace = f"{1 / rate:.3g} a second" if rate < 1 else f"{rate:.3g} s each"
        log.info(f"{self.unit} {done} of {self.total}, {pace}, {left} left{note}")


def device(gpu, threads):
    """Give PyTorch the job's threads; returns "cuda" if a GPU was promised to the job, else "cpu".

    Of several visible GPUs one that no other job holds becomes the current one. Raises InputError if a GPU was
    promised and is not there.
    """
    import torch

    torch.set_num_threads(threads)
    if not gpu:
        return "cpu"
    if torch.cuda.is_available():
        if torch.cuda.device_count() > 1:
            torch.cuda.set_device(claim_gpu(torch.cuda.device_count()))
        torch.backends.cudnn.allow_tf32 = False  # float32 is float32; who wants speed sets precision: bfloat16
        return "cuda"
    raise InputError(
        "a GPU was promised (--resources gpu=1) but PyTorch sees none; run with --resources gpu=0 for the CPU"
    )


def claim_gpu(count, folder=None):
    """Number of a GPU that no other job of this machine holds; held until this process ends.

    A file per GPU is locked, so that a killed job leaves nothing to clean up. If all are held, as when other numbers
    of GPUs were promised than there are, the jobs share.
    """
    import fcntl

    for number in range(count):
        path = Path(folder or tempfile.gettempdir()) / f"unetflow-gpu-{visible_gpu(number)}.lock"
        handle = os.open(path, os.O_CREAT | os.O_RDWR, 0o666)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            os.close(handle)
            continue
        return number
    log.warning(f"all {count} GPUs are held by other jobs; sharing one. Lower --resources gpu=N to their number")
    return os.getpid() % count


def visible_gpu(number):
    """Name of a GPU that is the same for all processes, whatever each of them is shown."""
    shown = os.environ.get("CUDA_VISIBLE_DEVICES", "")
    return shown.split(",")[number].strip() if shown else str(number)


@contextmanager
def state_folder(output, key):
    """A folder beside ``output`` that outlives a killed job, for work that shall not be done twice.

    It is undeclared, because Snakemake deletes the declared outputs of interrupted jobs, and named by ``key``, the
    `fingerprint` of all that the work depends on: state of other code, parameters or input is thrown away. It is
    removed when the body succeeds; by then the body has published its results.
    """
    output = Path(output)
    folder = output.parent / f".{output.name}.{key}"
    for other in output.parent.glob(f".{output.name}.*"):
        if other != folder:
            end_owner(other)
            shutil.rmtree(other, ignore_errors=True)
    folder.mkdir(parents=True, exist_ok=True)
    end_owner(folder)
    me = psutil.Process()
    owner = {"host": socket.gethostname(), "pid": me.pid, "created": me.create_time(), "slurm_job": slurm.own_job()}
    write_atomically(folder / "owner.json", json.dumps(owner))
    yield folder
    shutil.rmtree(folder)


def end_owner(folder):
    """End the orphan that still works in a state folder: a job whose Snakemake was killed lives on.

    Snakemake runs one job per output, so a second owner can only be such an orphan: a process of this machine, or a
    SLURM job on any.
    """
    try:
        owner = json.loads((folder / "owner.json").read_text())
        host, pid, created, slurm_job = (owner[key] for key in ("host", "pid", "created", "slurm_job"))
    except (OSError, ValueError, TypeError, KeyError):
        return  # missing, cut off, or of another version
    if slurm_job not in (None, slurm.own_job()):
        slurm.cancel(slurm_job)
    if host == socket.gethostname() and pid != os.getpid():
        with suppress(psutil.NoSuchProcess):  # it may end by itself at any moment
            process = psutil.Process(pid)
            if process.create_time() == created:
                log.info(f"ending process {pid}, left over from an interrupted run")
                process.kill()
                process.wait(30)


class Journal:
    """What of a job's work is done, each piece with the checksum of what was written; outlives a killed job.

    A line is added when a piece is on disk. A line cut off by a kill doesn't count, nor does a piece that no longer
    has its checksum: both are done again. Every process writes a file of its own, beside ``path`` if the journal was
    sent to it from another one, since not all file systems let two write to one.
    """

    def __init__(self, path):
        self.path, self.home, self.done = Path(path), this_process(), {}
        for file in sorted(self.path.parent.glob(f"{self.path.name}*")):
            for line in file.read_text().splitlines():
                try:
                    self.done |= json.loads(line)
                except ValueError:
                    continue

    def holds(self, name, content):
        """Whether the piece ``name`` was noted with just these bytes."""
        return self.done.get(name) == checksum(content)

    def note(self, name, content):
        line = {name: checksum(content)}
        path = self.path if self.home == this_process() else f"{self.path}.{this_process()}"
        with NOTING, open(path, "a") as file:
            file.write(f"\n{json.dumps(line)}")
            file.flush()
            os.fsync(file.fileno())
            self.done |= line


def checksum(content):
    """Length and CRC of bytes: it guards against accidents, in an eighth of the time of SHA-256 (docs/log.md)."""
    return f"{len(content)}-{zlib.crc32(content):08x}"


def this_process():
    return f"{socket.gethostname()}-{os.getpid()}"


@contextmanager
def made_whole(output):
    """Path at which to make a file or folder that appears as ``output`` only when the body has succeeded.

    It lies in the scratch folder, if there is one, else beside the output.
    """
    with state_folder(output, "partial") as folder, scratch() as room:
        made = Path(room or folder, Path(output).name)
        if made.is_dir():
            shutil.rmtree(made)
        yield made
        publish(made, output)


def scratch():
    """Context of a folder for work that need not outlive the job, below TMPDIR; of None where nobody set that.

    A node's own disk spares a shared file system many small writes. The system's own temporary folder may be small.
    """
    given = os.environ.get("TMPDIR", "/tmp").rstrip("/")
    if given in ("/tmp", "/var/tmp"):
        return nullcontext()
    return tempfile.TemporaryDirectory(prefix="unetflow-", dir=given)
