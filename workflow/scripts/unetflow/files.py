"""Files and folders: told apart by their content, moved to their place whole, shared without copying."""

import hashlib
import json
import os
import shutil
from contextlib import suppress
from pathlib import Path


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


def known_content(path, memory):
    """`fingerprint` of ``path``, read again only if its `stamps` differ from those noted in the file ``memory``."""
    seen, known = stamps(path), {}
    with suppress(OSError, ValueError):  # missing, or cut off: it is made anew
        known = json.loads(memory.read_text())
    if known.get(str(path), {}).get("stamps") != seen:
        known[str(path)] = {"stamps": seen, "content": fingerprint(path)}
        with suppress(OSError):  # it saves time, and nothing else depends on it
            write_atomically(memory, json.dumps(known))
    return known[str(path)]["content"]


def publish(made, output):
    """Move a finished file or folder to its declared place by rename, after everything is on disk.

    What lies on another file system is copied beside its place first.
    """
    made, output = Path(made), Path(output)
    output.parent.mkdir(parents=True, exist_ok=True)
    if made.stat().st_dev != output.parent.stat().st_dev:
        made = copied(made, output.with_name(f".{output.name}.moving"))
    for path in [made, *made.rglob("*"), output.parent]:
        to_disk(path)
    if output.is_dir():
        shutil.rmtree(output)
    os.replace(made, output)
    to_disk(output.parent)


def made_once(file, write):
    """``file``, whole, which ``write`` makes unless an interrupted run did; called with a path of the same ending."""
    if not file.is_file():
        partial = file.with_stem(f"{file.stem}.partial")
        write(partial)
        publish(partial, file)
    return file


def copied(source, target):
    """Copy a file or folder to ``target``, in place of what an interrupted job may have left there; returns it."""
    if target.is_dir():
        shutil.rmtree(target)
    shutil.copytree(source, target) if source.is_dir() else shutil.copyfile(source, target)
    return target


def to_disk(path):
    """Wait until a file, or the names in a folder, are on disk."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


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
