"""The documentation: it builds, no link leads nowhere, and the drawn pages fetch nothing from elsewhere."""

import re
import subprocess
import sys
from pathlib import Path

import pytest
from conftest import ROOT

LINK = re.compile(r"\]\(([^)#\s]+)(?:#[^)]*)?\)")


def test_the_site_builds_without_broken_links_or_network(tmp_path):
    command = [
        Path(sys.executable).with_name("mkdocs"),
        "build",
        "--strict",
        "--quiet",
        "--site-dir",
        tmp_path / "site",
    ]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    pages = list((tmp_path / "site").rglob("*.html"))
    assert len(pages) > 25
    reference = (tmp_path / "site/reference/index.html").read_text()
    for name in ("weight_map", "open_source", "grid_displacement", "v_rand", "UNet"):
        assert 'id="unetflow.' in reference and name in reference
    fetched = re.compile(r'<(?:script|link|img)[^>]+(?:src|href)="(https?:)?//')
    assert [page.name for page in pages if fetched.search(page.read_text())] == []


@pytest.mark.parametrize("page", ["README.md", "CONTRIBUTING.md", "CHANGELOG.md"])
def test_links_of_pages_outside_the_site(page):
    links = [link for link in LINK.findall((ROOT / page).read_text()) if "://" not in link]
    assert [link for link in links if not (ROOT / link).exists()] == []
