"""The schema of the configuration: what violates it in one sentence, and the defaults that it gives."""

from copy import deepcopy
from difflib import get_close_matches

from jsonschema import Draft202012Validator

from ..errors import InputError

TYPES = {"object": "a map", "array": "a list", "integer": "a whole number", "number": "a number", "string": "text"}
TYPES |= {"boolean": "true or false", "null": "null"}


def completed(config, schema):
    """A copy of ``config`` with all defaults of ``schema`` filled in. Raises InputError for the first violation."""
    for error in sorted(Draft202012Validator(schema).iter_errors(config), key=lambda e: list(map(str, e.path))):
        raise InputError(explain(error, schema))
    return filled(deepcopy(config), schema)


def explain(error, schema):
    """One sentence for a violation of ``schema``: where, what, remedy."""
    where = "/".join(map(str, error.absolute_path)) or "the top level"
    if error.validator == "additionalProperties":
        known = list(error.schema.get("properties", {}))
        unknown = next(key for key in error.instance if key not in known)
        return f"config: {where} has an unknown key {unknown!r}; {suggestion(unknown, known)}"
    if error.validator == "required":
        missing = next(key for key in error.validator_value if key not in error.instance)
        if not error.absolute_path:
            return (
                f"config: there is no section {missing!r}; add it, run in the folder of a config.yaml that has it, or "
                f"name that file first (--configfile config.yaml mine.yaml)"
            )
        return f"config: {where} lacks the key {missing!r}; add it (docs/configuration.md says what it means)"
    if error.validator == "enum":
        return f"config: {where} is {error.instance!r}; {suggestion(error.instance, error.validator_value)}"
    if error.validator == "oneOf":
        return f"config: {where} is {error.instance!r}, which fits none of its forms; see docs/configuration.md"
    if error.validator == "type":
        kinds = [error.validator_value] if isinstance(error.validator_value, str) else error.validator_value
        wanted = " or ".join(TYPES[kind] for kind in kinds)
        return f"config: {where} is {error.instance!r}; it must be {wanted}: {description_of(error, schema)}"
    return f"config: {where}: {error.message}; {description_of(error, schema)}"


def description_of(error, schema):
    """What the schema says of the nearest key that it describes."""
    described = "see docs/configuration.md"
    for step in error.absolute_schema_path:
        schema = schema[step] if isinstance(schema, list) or step in schema else {}
        if isinstance(schema, dict) and isinstance(schema.get("description"), str):
            described = schema["description"].strip()
    return error.schema.get("description", described)


def suggestion(wrong, known):
    """The nearest known name, or all of them."""
    near = get_close_matches(str(wrong), [str(k) for k in known], n=1)
    return f"did you mean {near[0]!r}?" if near else f"it must be one of: {', '.join(map(str, known))}"


def filled(value, schema):
    """``value`` with the defaults of ``schema`` at every level where a map lacks a key."""
    if isinstance(value, dict):
        properties = schema.get("properties", {})
        for key, sub in properties.items():
            if key not in value and "default" in sub:
                value[key] = deepcopy(sub["default"])
        other = schema.get("additionalProperties")
        for key in value:
            sub = properties.get(key, other if isinstance(other, dict) else {})
            value[key] = filled(value[key], sub)
    elif isinstance(value, list):
        value = [filled(item, schema.get("items", {})) for item in value]
    return value


def known(where, name, entries):
    if name not in entries:
        raise InputError(f"config: {where} is {name!r}, which doesn't exist; {suggestion(name, entries)}")


def listed(value):
    return value if isinstance(value, list) else [value]
