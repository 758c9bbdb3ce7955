"""The JSON Schema of a config file as people write it, for editors."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from pydantic import BaseModel

from hydria.config.architectures import ARCHITECTURES
from hydria.config.explain import describe, keys_of, models_in
from hydria.config.hydragnn_json import ALIASES, ARCHITECTURE, DERIVED, MOVED, UNUSED
from hydria.config.run import RunConfig

Schema = dict[str, Any]
DIALECT = "https://json-schema.org/draft/2020-12/schema"
# Section of the file → the definitions that describe it.
SECTIONS: dict[tuple[str, ...], tuple[str, ...]] = {
    ("Dataset",): ("Dataset",),
    ("Dataset", "path"): ("DataPath",),
    ("NeuralNetwork",): ("NeuralNetwork",),
    ARCHITECTURE: tuple(ARCHITECTURES),
    (*ARCHITECTURE, "output_heads"): ("OutputHeads",),
    ("NeuralNetwork", "Training"): ("Training",),
    ("NeuralNetwork", "Variables_of_interest"): ("VariablesOfInterest",),
}


def json_schema() -> Schema:
    """The schema of a whole file: known keys, upstream's other keys (deprecated), comments."""
    schema = RunConfig.model_json_schema(by_alias=True)
    definitions: dict[str, Schema] = schema["$defs"]
    models: list[type[BaseModel]] = [RunConfig, *_below(RunConfig)]
    for model in models:
        _describe(schema if model is RunConfig else definitions[model.__name__], model)
    for section in [schema, *definitions.values()]:
        _accept_null(section)
    for path, note in _other_keys():
        for name in SECTIONS.get(path[:-1], ()):
            known = definitions[name]["properties"]
            known.setdefault(path[-1], {"description": note, "deprecated": True})
        if len(path) == 1:
            note_only = {"description": note, "deprecated": True}
            schema["properties"].setdefault(path[0], note_only)
    for section in [schema, *definitions.values()]:
        if section.get("additionalProperties") is False:
            section["patternProperties"] = {"^_": {"description": "A comment."}}
    schema["properties"]["$schema"] = {"type": "string", "description": "Where this schema lies."}
    # what is moved to its place when read may be missing there
    schema.pop("required", None)
    for name in ("NeuralNetwork", "Training"):
        definitions[name].pop("required", None)
    return {"$schema": DIALECT, "title": "Hydria config", **_without(schema, "title")}


def _below(model: type[BaseModel]) -> Iterator[type[BaseModel]]:
    """The models of all sections of a section."""
    for field in model.model_fields.values():
        for section in models_in(field.annotation):
            yield from (section, *_below(section))


def _describe(section: Schema, model: type[BaseModel]) -> None:
    for key, value in section["properties"].items():
        text = describe(model, key)
        if text:
            value["description"] = text


def _other_keys() -> Iterator[tuple[tuple[str, ...], str]]:
    for old, new in {**ALIASES, **MOVED}.items():
        yield old, f"Read as {'.'.join(new)}."
    for section, keys in DERIVED.items():
        for key in sorted(keys):
            yield (*section, key), "Measured again from the data."
    for section, keys in UNUSED.items():
        for key in sorted(keys):
            yield (*section, key), "Known to HydraGNN, without a use here."
    for options in ARCHITECTURES.values():
        for key in keys_of(options):
            yield (*ARCHITECTURE, key), "An option of another architecture."


def _accept_null(section: Schema) -> None:
    """Null means "not given", for every key that may be left out."""
    for key, value in section.get("properties", {}).items():
        if key in section.get("required", ()):
            continue
        if "enum" in value:
            value["enum"] = [*value["enum"], None]
        if isinstance(value.get("type"), str):
            value["type"] = [value["type"], "null"]
        if "anyOf" in value and {"type": "null"} not in value["anyOf"]:
            value["anyOf"].append({"type": "null"})


def _without(value: Any, key: str) -> Any:
    """The schema without pydantic's titles, which repeat the names."""
    if isinstance(value, dict):
        return {
            name: _without(inner, key)
            for name, inner in value.items()
            if not (name == key and isinstance(inner, str))
        }
    return [_without(inner, key) for inner in value] if isinstance(value, list) else value
