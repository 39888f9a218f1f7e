"""Every bad input ends with one sentence and exit code 1, and leaves nothing that could be taken for a result."""

import re

import pytest
from bad_inputs import CASES, outcome
from conftest import ROOT
from unetflow.datasets import fetch

ALL = [(area, title) for area, cases in CASES.items() for title in cases]
PAGE = (ROOT / "docs/errors.md").read_text() if (ROOT / "docs/errors.md").is_file() else ""


def test_there_are_enough():
    assert len(ALL) >= 60


@pytest.mark.parametrize(("area", "title"), ALL)
def test_one_sentence(area, title, tmp_path, monkeypatch):
    monkeypatch.setattr(fetch.time, "sleep", lambda seconds: None)
    code, lines, left = outcome(area, title, tmp_path)
    assert code == 1 and left == [], (lines, left)
    assert len(lines) == 1, lines
    assert re.search(r"; |did you mean", lines[0]), f"no remedy: {lines[0]}"
    assert len(lines[0]) < 500 and "Traceback" not in lines[0], lines[0]
    assert f"| {title} | {lines[0].replace('|', chr(92) + '|')} |" in PAGE, (
        f"docs/errors.md is out of date: make docs\n{lines[0]}"
    )
