"""Downloads against a real HTTP server on loopback that truncates, corrupts, stalls and redirects."""

import hashlib
import io
import threading
import time
import zipfile
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from download import download
from unetflow import files, jobs
from unetflow.datasets.fetch import fetch, unpack
from unetflow.errors import InputError


def archive(files=None):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as opened:
        for name, content in (files or {"set/a.tif": bytes(range(256)) * 400, "set/b.tif": b"x"}).items():
            opened.writestr(name, content)
    return buffer.getvalue()


CONTENT = archive()
SHA256 = hashlib.sha256(CONTENT).hexdigest()


class Server(ThreadingHTTPServer):
    """Serves one archive; ``ways`` says how, one entry per request, the last one from then on."""

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Handler)
        self.ways, self.requests, self.etag = ["whole"], [], '"1"'
        threading.Thread(target=self.serve_forever, daemon=True).start()

    def url(self, path="/set.zip"):
        return f"http://127.0.0.1:{self.server_port}{path}"


class Handler(BaseHTTPRequestHandler):
    def log_message(self, *arguments):
        pass

    def do_GET(self):
        server, ranged = self.server, self.headers.get("Range")
        way = server.ways.pop(0) if len(server.ways) > 1 else server.ways[0]
        server.requests.append((self.path, ranged))
        if way == "redirect":
            return self.answer(302, b"", location="/elsewhere.zip")
        if way == "error":
            return self.answer(503, b"")
        if way == "missing":
            return self.answer(404, b"")
        if way == "page":
            return self.answer(200, b"<!DOCTYPE html><html>log in first</html>")
        content = CONTENT[:5000] + b"?" + CONTENT[5001:] if way == "corrupt" else CONTENT
        start = 0
        if ranged and self.headers.get("If-Range") == server.etag:
            start = int(ranged.removeprefix("bytes=").rstrip("-"))
        self.send_response(206 if start else 200)
        self.send_header("Content-Length", str(len(content) - start))
        self.send_header("ETag", server.etag)
        self.end_headers()
        body = content[start:]
        if way == "truncated":
            self.wfile.write(body[: len(body) // 2])
        elif way == "stall":
            self.wfile.write(body[:1000])
            self.wfile.flush()
            time.sleep(1.5)
        else:
            self.wfile.write(body)

    def answer(self, status, body, location=None):
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        if location:
            self.send_header("Location", location)
        self.end_headers()
        self.wfile.write(body)


@pytest.fixture
def server():
    server = Server()
    yield server
    server.shutdown()


def get(server, path, *ways, urls=None, **options):
    server.ways = list(ways) or ["whole"]
    fetch(urls or [server.url()], path, **{"sha256": SHA256, "pause": 0.01, "timeout": 0.5} | options)
    return path.read_bytes()


def test_whole(server, tmp_path):
    seen = []
    assert get(server, tmp_path / "a.zip", progress=lambda done, total: seen.append((done, total))) == CONTENT
    assert seen[-1] == (len(CONTENT), len(CONTENT))
    assert [p.name for p in tmp_path.iterdir()] == ["a.zip"], "nothing else stays"


def test_truncated_transfers_go_on_where_they_broke(server, tmp_path):
    assert get(server, tmp_path / "a.zip", "truncated", "truncated", "whole") == CONTENT
    starts = [int(ranged.removeprefix("bytes=").rstrip("-")) for _, ranged in server.requests[1:]]
    assert starts[0] == len(CONTENT) // 2 and starts[1] > starts[0]


def test_a_later_run_goes_on_too(server, tmp_path):
    with pytest.raises(InputError, match="broke after"):
        get(server, tmp_path / "a.zip", "truncated", attempts=1)
    assert get(server, tmp_path / "a.zip") == CONTENT
    assert server.requests[-1][1] == f"bytes={len(CONTENT) // 2}-"


def test_a_file_that_changed_meanwhile_is_fetched_anew(server, tmp_path):
    with pytest.raises(InputError):
        get(server, tmp_path / "a.zip", "truncated", attempts=1)
    server.etag = '"2"'
    assert get(server, tmp_path / "a.zip") == CONTENT


def test_stalled_and_failing_servers_are_tried_again(server, tmp_path):
    assert get(server, tmp_path / "a.zip", "stall", "error", "whole") == CONTENT


def test_redirects_are_followed(server, tmp_path):
    assert get(server, tmp_path / "a.zip", "redirect", "whole") == CONTENT
    assert server.requests[-1][0] == "/elsewhere.zip"


def test_mirrors(server, tmp_path):
    urls = ["http://127.0.0.1:1/gone.zip", server.url("/mirror.zip")]
    assert get(server, tmp_path / "a.zip", urls=urls, attempts=2) == CONTENT


def test_missing_files_are_not_asked_for_again(server, tmp_path):
    with pytest.raises(InputError, match="404"):
        get(server, tmp_path / "a.zip", "missing")
    assert len(server.requests) == 1


def test_corrupt_content_is_refused_and_dropped(server, tmp_path):
    with pytest.raises(InputError, match=f"{SHA256} was expected"):
        get(server, tmp_path / "a.zip", "corrupt", attempts=2)
    assert not (tmp_path / "a.zip").exists() and not (tmp_path / "a.zip.part").exists()


def test_a_web_page_instead_of_data_is_named(server, tmp_path):
    with pytest.raises(InputError, match="a web page"):
        get(server, tmp_path / "a.zip", "page", sha256=None, attempts=1)


def test_a_data_set_is_downloaded_and_unpacked(server, tmp_path):
    """The whole step, the second time after a kill between transfer and unpacking."""
    source = {"urls": [server.url()], "sha256": SHA256, "max_gb": 1}
    download(tmp_path / "set", "set", source)
    assert (tmp_path / "set/set/b.tif").read_bytes() == b"x"
    assert [p.name for p in tmp_path.iterdir()] == ["set"], "nothing else stays"
    with jobs.state_folder(tmp_path / "other", files.fingerprint(source)) as state:
        (state / "archive.zip").write_bytes(CONTENT)
        (state / "unpacked/half").mkdir(parents=True)
        server.ways = ["missing"]
        with suppress(InputError):
            download(tmp_path / "other", "set", source)
        assert sorted(p.name for p in (tmp_path / "other/set").iterdir()) == ["a.tif", "b.tif"]
        state.mkdir()
    assert [p.name for p in (tmp_path / "other").iterdir()] == ["set"]


def test_unpacks(tmp_path):
    (tmp_path / "a.zip").write_bytes(CONTENT)
    unpack(tmp_path / "a.zip", tmp_path / "out", 10**6)
    assert (tmp_path / "out/set/b.tif").read_bytes() == b"x"


@pytest.mark.parametrize("name", ["../evil", "a/../../evil", "/etc/evil", "C:/evil", "..\\evil"])
def test_paths_that_escape_are_refused(tmp_path, name):
    (tmp_path / "a.zip").write_bytes(archive({name: b"x"}))
    with pytest.raises(InputError, match="leaves its folder"):
        unpack(tmp_path / "a.zip", tmp_path / "out", 10**6)
    assert not list(tmp_path.rglob("evil*"))


def test_links_are_refused(tmp_path):
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as opened:
        link = zipfile.ZipInfo("link")
        link.external_attr = 0xA1FF << 16
        opened.writestr(link, "/etc/passwd")
    with pytest.raises(InputError, match="the link 'link'"):
        unpack(tmp_path / "a.zip", tmp_path / "out", 10**6)


def test_bombs_are_refused(tmp_path):
    with zipfile.ZipFile(tmp_path / "a.zip", "w", zipfile.ZIP_DEFLATED) as opened:
        opened.writestr("zeros", bytes(10**7))
    with pytest.raises(InputError, match=r"more than 0\.001 GB"):
        unpack(tmp_path / "a.zip", tmp_path / "out", 10**6)
