from pathlib import Path
import sys

SCRIPTS = Path(workflow.current_basedir) / "../scripts"
sys.path.insert(0, str(SCRIPTS))
from unetflow.experiment.config import presets
from unetflow.errors import InputError


def files_of_preset(name):
    """The configuration files of the preset ``name`` (None: none), what it rests on first."""
    try:
        return presets(name, Path(workflow.basedir) / "config")
    except InputError as error:
        raise WorkflowError(str(error))
