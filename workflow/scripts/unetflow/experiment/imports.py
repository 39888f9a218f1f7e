"""Which files of ours a script rests on, without running it, and what they say: an edit reruns its users."""

import ast
from functools import cache
from pathlib import Path

HERE = Path(__file__).resolve().parents[2]  # what scripts import from


def files_behind(script):
    """The paths, sorted, of a ``script`` (path relative to `HERE`) and of all it imports from here, however deep."""
    found, new = set(), {HERE / script}
    while new:
        found |= new
        new = {path for file in new for path in imported(file)} - found
    return sorted(found)


@cache
def imported(file):
    """The set of our files that the Python ``file`` imports anywhere in it, with the packages that these lie in."""
    package = file.parent.relative_to(HERE).parts
    names = set()
    for node in ast.walk(parsed(file)):
        if isinstance(node, ast.Import):
            names |= {tuple(alias.name.split(".")) for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            above = package[: len(package) - node.level + 1] if node.level else ()
            module = (*above, *(node.module.split(".") if node.module else ()))
            names |= {(*module, alias.name) for alias in node.names}  # an attribute is no file, and ends at its module
    return {path for name in names for path in run_by(name)}


def run_by(name):
    """Our files that importing a dotted ``name`` (tuple of str) runs; none for somebody else's."""
    places = [HERE.joinpath(*name[:length]) for length in range(1, len(name) + 1)]
    candidates = [path for place in places for path in (place / "__init__.py", place.with_suffix(".py"))]
    return [path for path in candidates if path.is_file()]


@cache
def meaning(file):
    """What a Python file says, without its comments and layout."""
    return ast.dump(parsed(file))


@cache
def parsed(file):
    return ast.parse(file.read_text())
