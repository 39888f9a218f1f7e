"""Which files a script rests on, against the standard library's own finder."""

import json
import subprocess
import sys
from collections import defaultdict
from graphlib import TopologicalSorter

from unetflow.experiment.imports import HERE, files_behind, imported, meaning

FINDER = """
import json, sys
from modulefinder import ModuleFinder
found = {}
for script in sys.argv[2:]:
    finder = ModuleFinder(path=sys.argv[1:2])
    finder.run_script(sys.argv[1] + "/" + script)
    found[script] = sorted(module.__file__ for module in finder.modules.values() if module.__file__)
print(json.dumps(found))
"""


def test_files_are_those_that_python_would_import():
    scripts = sorted(path.name for path in HERE.glob("*.py"))
    # In a process of its own, since the finder looks through all that is loaded, which here is much.
    found = json.loads(subprocess.check_output([sys.executable, "-c", FINDER, str(HERE), *scripts]))
    assert len(found) > 40
    assert {script: list(map(str, files_behind(script))) for script in scripts} == found


def test_no_two_parts_of_the_package_rest_on_each_other():
    package, uses = HERE / "unetflow", defaultdict(set)
    for file in package.rglob("*.py"):
        uses[part_of(file, package)] |= {part_of(other, package) for other in imported(file)}
    rests_on = {part: others - {part, "__init__"} for part, others in uses.items()}
    assert len(rests_on["volumes"]) > 3
    list(TopologicalSorter(rests_on).static_order())  # raises CycleError, which names them


def part_of(file, package):
    """The folder or module at the top of the package that a file belongs to."""
    return file.relative_to(package).with_suffix("").parts[0]


def test_comments_and_layout_mean_nothing(tmp_path):
    texts = {"plain": "a = f(1, 2)\n", "laid_out": "# why\na = f(\n    1, 2\n)\n", "other": "a = f(2, 1)\n"}
    for name, text in texts.items():
        (tmp_path / name).write_text(text)
    assert meaning(tmp_path / "plain") == meaning(tmp_path / "laid_out") != meaning(tmp_path / "other")
