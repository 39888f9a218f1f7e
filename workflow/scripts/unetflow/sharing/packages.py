"""What lies in a model file or in a package of one, read without PyTorch and without unpacking anything.

A model is a .safetensors file and the .json of the same name, or a bioimage.io package (.zip) that holds both.
"""

import json
import zipfile
from pathlib import Path

from .. import OBJECT
from ..errors import InputError

WEIGHTS, DESCRIPTION = "model.safetensors", "model.json"  # names within a package
MOST = {WEIGHTS: 8 * 2**30, DESCRIPTION: 2**20}  # bytes: larger ones are not what they say


def describe(path):
    """The description (dict) of the model at ``path``. Raises InputError if it or the weights are missing or odd."""
    path = Path(path)
    source = path if is_package(path) else path.with_suffix(".json")
    text = content(path, DESCRIPTION)
    try:
        description = json.loads(text)
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise InputError(f"{source} holds no JSON ({error}); take the one made with the weights") from error
    if not isinstance(description, dict) or not {"architecture", "normalisation", "weights_sha256"} <= set(description):
        raise InputError(f"{source} does not describe a network; take the one made with the weights")
    return description


def objects_of(description):
    """Names of the classes of objects that a described network knows, in their order."""
    return tuple(description.get("objects", [OBJECT]))


def weights(path):
    """The bytes of the safetensors file of the model at ``path``."""
    return content(Path(path), WEIGHTS)


def is_package(path):
    return Path(path).suffix == ".zip"


def content(path, name):
    """Bytes of the weights or of the description (``name``) of the model at ``path``."""
    if is_package(path):
        return member(path, name)
    for needed in (path, path.with_suffix(".json")):
        if not needed.is_file():
            raise InputError(f"{needed} is missing; a model is a .safetensors file and the .json of the same name")
    return (path if name == WEIGHTS else path.with_suffix(".json")).read_bytes()


def member(path, name):
    """Bytes of a file in a package."""
    if not path.is_file():
        raise InputError(f"{path} is missing; correct the path of the model package")
    try:
        with zipfile.ZipFile(path) as package:
            if package.getinfo(name).file_size > MOST[name]:
                raise InputError(f"{name} in {path} claims to be larger than {MOST[name]} bytes; it is not a model")
            return package.read(name)
    except KeyError as error:
        raise InputError(
            f"{path} holds no {name}; only packages that unetflow exported can be used, others hold other networks"
        ) from error
    except (zipfile.BadZipFile, OSError) as error:
        raise InputError(f"{path} can't be read as a zip file ({error}); fetch the package again") from error
