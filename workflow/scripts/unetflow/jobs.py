"""What all scripts share: the log, one sentence instead of a traceback for bad input, the device, state folders."""

import hashlib
import json
import logging
import os
import shutil
import socket
import sys
import tempfile
import time
import traceback
from contextlib import contextmanager, suppress
from pathlib import Path

import psutil

from .errors import InputError

log = logging.getLogger("unetflow")


@contextmanager
def job(snakemake):
    """Run the body of a script: log to file and terminal; bad input ends it with one sentence and exit code 1."""
    name = " ".join([snakemake.rule, *snakemake.wildcards])
    handlers = [logging.StreamHandler(sys.stderr)]
    handlers += [logging.FileHandler(path, mode="w") for path in snakemake.log]
    logging.basicConfig(
        level=logging.INFO, format=f"[%(asctime)s] {name}: %(message)s", datefmt="%H:%M:%S", handlers=handlers
    )
    try:
        yield
    except InputError as error:
        log.error(str(error))
        sys.exit(1)
    except Exception:
        log.error("failed; please report this with the traceback\n" + traceback.format_exc())
        sys.exit(1)


class Progress:
    """Says every few seconds how far a loop is, and how long the rest will take at this rate."""

    def __init__(self, total, unit, every=10.0):
        self.total, self.unit, self.every = total, unit, every
        self.created = self.began = self.said = time.monotonic()
        self.first = None

    def __call__(self, done, note=""):
        now = time.monotonic()
        if self.first is None:
            self.first, self.began = done, now  # the first one pays for the warm-up, and a resumed loop starts late
        if now - self.said < self.every and done < self.total:
            return
        self.said = now
        only_one = done == self.first
        rate = (now - self.created) / done if only_one else (now - self.began) / (done - self.first)
        left = time.strftime("%H:%M:%S", time.gmtime(rate * (self.total - done)))
        log.info(f"{self.unit} {done} of {self.total}, {left} left{note}")


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


def fingerprint(*parts):
    """A short hash of values that can be written as JSON, and of the contents of paths."""
    digest = hashlib.sha256()
    for part in parts:
        if isinstance(part, Path):
            for file in files_of(part):
                digest.update(str(file.relative_to(part.parent)).encode() + b"\0")
                digest.update(checksum(file))
        else:
            digest.update(json.dumps(part, sort_keys=True).encode() + b"\0")
    return digest.hexdigest()[:16]


def files_of(path):
    """The file ``path``, or all files of a folder, in order and without Snakemake's own."""
    path = Path(path)
    found = sorted(path.rglob("*")) if path.is_dir() else [path]
    return [file for file in found if file.is_file() and not file.name.startswith(".snakemake")]


def checksum(file):
    """SHA-256 of a file that may be larger than memory."""
    with open(file, "rb") as content:
        return hashlib.file_digest(content, "sha256").digest()


def stamps(folder):
    """Names, sizes and times of all files of a folder: tells it from another without reading it."""
    return [[str(f.relative_to(folder)), f.stat().st_size, f.stat().st_mtime_ns] for f in files_of(folder)]


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
    write_atomically(folder / "owner.json", json.dumps([socket.gethostname(), me.pid, me.create_time()]))
    yield folder
    shutil.rmtree(folder)


def end_owner(folder):
    """End the orphan that still works in a state folder: a job whose Snakemake was killed lives on.

    Snakemake runs one job per output, so a second owner can only be such an orphan.
    """
    # The file may be missing or cut off, and the process may end by itself at any moment.
    with suppress(OSError, ValueError, psutil.NoSuchProcess):
        host, pid, created = json.loads((folder / "owner.json").read_text())
        process = psutil.Process(pid)
        if host == socket.gethostname() and process.create_time() == created and pid != os.getpid():
            log.info(f"ending process {pid}, left over from an interrupted run")
            process.kill()
            process.wait(30)


def publish(made, output):
    """Move a finished file or folder to its declared place by rename, after everything is on disk."""
    made, output = Path(made), Path(output)
    for file in made.rglob("*") if made.is_dir() else [made]:
        if file.is_file():
            with open(file, "rb") as handle:
                os.fsync(handle.fileno())
    if output.is_dir():
        shutil.rmtree(output)
    output.parent.mkdir(parents=True, exist_ok=True)
    os.replace(made, output)


def take_over(folder, target):
    """Give all files of ``folder`` a second name below ``target``, without copying; returns how many there were.

    Where the file system can't do that (another one, or one without hard links) they are copied. The files are
    finished; the new name is for reading only, or for replacing as a whole.
    """
    files = files_of(folder)
    for file in files:
        place = Path(target) / file.relative_to(folder)
        place.parent.mkdir(parents=True, exist_ok=True)
        place.unlink(missing_ok=True)  # an interrupted run may have left a part of it
        try:
            os.link(file, place)
        except OSError:
            shutil.copyfile(file, place)
    return len(files)


def write_atomically(path, text):
    """Write a text file so that it is either whole or not there."""
    partial = Path(f"{path}.partial")
    partial.write_text(text)
    publish(partial, path)


class Journal:
    """What of a job's work is done, each piece with the checksum of what was written; outlives a killed job.

    A line is added when a piece is on disk. A line cut off by a kill doesn't count, nor does a piece that no longer
    has its checksum: both are done again.
    """

    def __init__(self, path):
        self.path, self.done = Path(path), {}
        for line in self.path.read_text().splitlines() if self.path.is_file() else []:
            try:
                self.done |= json.loads(line)
            except ValueError:
                continue

    def holds(self, name, content):
        """Whether the piece ``name`` was noted with just these bytes."""
        return self.done.get(name) == hashlib.sha256(content).hexdigest()

    def note(self, name, content):
        line = {name: hashlib.sha256(content).hexdigest()}
        with open(self.path, "a") as file:
            file.write(f"\n{json.dumps(line)}")
            file.flush()
            os.fsync(file.fileno())
        self.done |= line


@contextmanager
def made_whole(output):
    """Path at which to make a file or folder that appears as ``output`` only when the body has succeeded."""
    with state_folder(output, "partial") as folder:
        made = folder / Path(output).name
        if made.is_dir():
            shutil.rmtree(made)
        yield made
        publish(made, output)
