"""Downloads that survive broken connections, and archives unpacked without trusting them."""

import hashlib
import json
import time
import zipfile
from pathlib import Path, PurePosixPath

import requests

from ..errors import InputError

BLOCK = 2**20


def fetch(urls, path, sha256=None, attempts=4, timeout=60.0, pause=1.0, progress=lambda done, total: None):
    """Download the first of ``urls`` that works to ``path``, going on from ``path.part`` if an earlier try left one.

    sha256 : hexadecimal checksum that the file must have, or None. attempts : per address; between them grows a
    ``pause`` (seconds). timeout : seconds without a byte after which an attempt is given up. progress : called with
    (bytes so far, bytes in all or None).

    Raises InputError naming every address and what went wrong there; the part file stays for a later call.
    """
    problems = []
    for url in urls:
        for attempt in range(attempts):
            try:
                _transfer(url, Path(f"{path}.part"), timeout, progress)
                _verify(Path(f"{path}.part"), sha256)
            except (requests.RequestException, OSError, ValueError) as error:
                problem = f"{url}: {reason(error)}"
                if not _worth_another_try(error):
                    break
                time.sleep(pause * 2**attempt)
            else:
                Path(f"{path}.part.json").unlink(missing_ok=True)
                Path(f"{path}.part").replace(path)
                return
        problems.append(problem)
    raise InputError(f"could not download {Path(path).name} ({'; '.join(problems)})")


def _transfer(url, part, timeout, progress):
    """One attempt: append to ``part`` what is missing, if the server still has the same file and can resume."""
    known = Path(f"{part}.json")
    before = json.loads(known.read_text()) if known.is_file() and part.is_file() else {}
    have = part.stat().st_size if before.get("url") == url and before.get("version") else 0
    headers = {"Accept-Encoding": "identity"}
    if have:
        headers |= {"Range": f"bytes={have}-", "If-Range": before["version"]}
    with requests.get(url, headers=headers, stream=True, timeout=timeout) as answer:
        if answer.status_code == 416:  # nothing is missing, or the part is longer than the file
            part.unlink()
            raise ConnectionError("the server refused to resume")
        answer.raise_for_status()
        answer.raw.enforce_content_length = False  # keep what came before a break; the length is checked below
        resumed = answer.status_code == 206
        have = have if resumed else 0
        version = answer.headers.get("ETag") or answer.headers.get("Last-Modified")
        known.write_text(json.dumps({"url": url, "version": version}))
        length = answer.headers.get("Content-Length")
        total = have + int(length) if length else None
        with open(part, "ab" if resumed else "wb") as file:
            for block in answer.iter_content(BLOCK):
                file.write(block)
                have += len(block)
                progress(have, total)
        if total is not None and have != total:
            raise ConnectionError(f"the connection broke after {have} of {total} bytes")


def _verify(part, sha256):
    """Raise ValueError, and drop the file, unless it is a zip archive with the expected checksum."""
    digest = hashlib.sha256()
    with open(part, "rb") as file:
        while block := file.read(BLOCK):
            digest.update(block)
    problem = None
    if not zipfile.is_zipfile(part):
        head = part.read_bytes()[:200].lstrip().lower()
        problem = "what came is " + ("a web page" if head.startswith((b"<!doctype", b"<html")) else "damaged or no zip")
    elif sha256 and digest.hexdigest() != sha256:
        problem = f"the sha256 is {digest.hexdigest()}, but {sha256} was expected"
    if problem:
        part.unlink()
        raise ValueError(problem)


def reason(error):
    """What went wrong, without what the address says already."""
    if isinstance(error, requests.HTTPError):
        return f"{error.response.status_code} {error.response.reason}"
    return "no connection" if type(error) is requests.ConnectionError else str(error)


def _worth_another_try(error):
    """Whether the same request may well succeed a moment later."""
    if isinstance(error, requests.HTTPError):
        return error.response.status_code in (408, 429) or error.response.status_code >= 500
    return not isinstance(error, requests.exceptions.InvalidURL)


def unpack(archive, folder, max_bytes):
    """Unpack a zip archive into ``folder``. Raises InputError for paths that leave it, for links, and for more than
    ``max_bytes`` of content, whatever the archive's own table of contents says."""
    folder, left = Path(folder), max_bytes
    with zipfile.ZipFile(archive) as opened:
        for member in opened.infolist():
            target = PurePosixPath(member.filename.replace("\\", "/"))
            if target.is_absolute() or ".." in target.parts or ":" in target.parts[0]:
                raise InputError(
                    f"{archive.name} holds the path {member.filename!r}, which leaves its folder; don't trust it"
                )
            if member.external_attr >> 28 == 0xA:
                raise InputError(
                    f"{archive.name} holds the link {member.filename!r}; unpack it by hand if you trust it"
                )
            if member.is_dir():
                continue
            (folder / target).parent.mkdir(parents=True, exist_ok=True)
            with opened.open(member) as source, open(folder / target, "wb") as copy:
                while block := source.read(BLOCK):
                    left -= len(block)
                    if left < 0:
                        raise InputError(
                            f"{archive.name} unpacks to more than {max_bytes / 1e9:g} GB; raise download/max_gb for it"
                        )
                    copy.write(block)
