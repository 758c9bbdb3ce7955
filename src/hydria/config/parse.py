"""Files, names or dictionaries to a frozen config; every problem of a file at once."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from hydria.config.explain import full_path, problems_of
from hydria.config.hydragnn_json import drop_unused, relocate
from hydria.config.run import RunConfig
from hydria.core.assets import asset_dir
from hydria.core.errors import ConfigError, Problem, listed
from hydria.core.registry import nearest

SUFFIXES = (".json", ".json5", ".yaml", ".yml")


@dataclass(frozen=True)
class LoadedConfig:
    """A config, and where it came from."""

    config: RunConfig
    name: str
    source: Path | None
    """The file, or None for a dictionary."""
    raw: dict[str, Any]
    """What was written, overrides included, in the native form."""
    overrides: tuple[str, ...]
    """Paths that the command line set."""
    warnings: tuple[str, ...]

    def origin(self, path: str) -> str:
        """`override`, `file` or `default`: where the value under a dotted path came from."""
        if any(path == key or path.startswith(f"{key}.") for key in self.overrides):
            return "override"
        node: Any = self.raw
        for key in path.split("."):
            if not isinstance(node, dict) or key not in node:
                return "default"
            node = node[key]
        return "file"


def load_config(
    source: str | Path | Mapping[str, Any], overrides: Sequence[str] = ()
) -> LoadedConfig:
    """Read a config.

    Args:
        source: a path, the name of a config that comes with Hydria, or a dictionary.
        overrides: `Section.key=value`; the value is JSON, or a string where it is none. The
            front of the path may be left out while what remains is unique.

    Raises:
        ConfigError: with every problem of the file.
    """
    path = None if isinstance(source, Mapping) else find_config(source)
    written = deepcopy(dict(source)) if isinstance(source, Mapping) else read_tree(path or Path())
    tree, warnings, problems = relocate(written)
    paths = tuple(_apply(tree, text) for text in overrides)
    unused = drop_unused(tree)
    if unused:
        warnings.append("keys without a use here: " + ", ".join(unused))
    config, invalid = _validate(tree)
    if config is None or problems:
        raise ConfigError([*problems, *invalid])
    name = path.stem if path else config.dataset.name
    return LoadedConfig(config, name, path, tree, paths, tuple(warnings))


def bundled_configs() -> dict[str, Path]:
    """Name → file of the configs that come with Hydria."""
    return {
        path.stem: path
        for path in sorted(asset_dir("configs").glob("*"))
        if path.suffix in SUFFIXES
    }


def find_config(source: str | Path) -> Path:
    """The file of a path or a bundled name."""
    path = Path(source)
    if path.is_file():
        return path
    known = bundled_configs()
    if str(source) in known:
        return known[str(source)]
    close = nearest(path.stem, known)
    hint = f"did you mean {close!r}?" if close else f"names that need no file: {listed(known)}"
    raise ConfigError([Problem(str(source), "no such config, neither a file nor a name", hint)])


def read_tree(path: Path) -> dict[str, Any]:
    """The content of a JSON, JSON5 or YAML file as a dictionary."""
    try:
        text = path.read_text(encoding="utf-8")
        tree = _parse_yaml(text) if path.suffix in {".yaml", ".yml"} else _parse_json(text)
    except (OSError, UnicodeDecodeError, ValueError) as err:
        raise ConfigError([Problem(str(path), f"cannot be read: {err}")]) from err
    if not isinstance(tree, dict):
        raise ConfigError([Problem(str(path), "expected an object with sections")])
    return tree


def _parse_json(text: str) -> Any:
    try:
        return json.loads(text)  # a hundred times quicker than JSON5, and most files are JSON
    except ValueError:
        import json5

        return json5.loads(text, allow_duplicate_keys=False)


def _parse_yaml(text: str) -> Any:
    import yaml

    try:
        return yaml.safe_load(text)
    except yaml.YAMLError as err:
        raise ValueError(str(err)) from err


def _apply(tree: dict[str, Any], override: str) -> str:
    """Set one `path=value` in the tree; return the path."""
    written, equals, text = override.partition("=")
    if not equals or not written:
        raise ConfigError(
            [Problem(override, "expected key=value", "NeuralNetwork.Training.num_epoch=5")]
        )
    try:
        value = json.loads(text)
    except ValueError:
        value = text
    path = full_path(tuple(written.split(".")))
    node = tree
    for key in path[:-1]:
        node = node.setdefault(key, {})
        if not isinstance(node, dict):
            raise ConfigError([Problem(written, f"{key!r} is a value, not a section")])
    node[path[-1]] = value
    return ".".join(path)


def _validate(tree: dict[str, Any]) -> tuple[RunConfig | None, list[Problem]]:
    try:
        return RunConfig.model_validate(tree), []
    except ValidationError as err:
        return None, problems_of(err, tree)
