"""Files, names or dictionaries to a frozen config; every problem of a file at once."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from hydria.config.checks import further, problems_in, sections_of, valid_sections, warnings_in
from hydria.config.explain import full_path, problems_of, replace_kinds
from hydria.config.hydragnn_json import relocate, settle
from hydria.config.read import SUFFIXES, read_tree
from hydria.config.run import RunConfig
from hydria.core.assets import asset_dir
from hydria.core.errors import ConfigError, Problem, listed
from hydria.core.registry import nearest


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
    try:
        written = (
            deepcopy(dict(source)) if isinstance(source, Mapping) else read_tree(path or Path())
        )
        tree, warnings, problems = relocate(written)
        paths = tuple(_apply(tree, text, problems) for text in overrides)
        warnings += settle(tree)
        config, invalid = _validate(tree)
        sections = sections_of(config) if config else valid_sections(tree, invalid)
    except RecursionError as err:
        raise ConfigError([Problem(str(path or ""), "is nested too deeply")]) from err
    problems += [*invalid, *further(problems_in(sections), invalid)]
    if config is None or problems:
        raise ConfigError(list(dict.fromkeys(problems)))
    name = path.stem if path else config.dataset.name
    return LoadedConfig(config, name, path, tree, paths, (*warnings, *warnings_in(config)))


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
    known = bundled_configs()
    if str(source) in known and not path.is_file():
        return known[str(source)]
    if path.exists():
        return path
    close = nearest(path.stem, known)
    hint = f"did you mean {close!r}?" if close else f"names that need no file: {listed(known)}"
    raise ConfigError([Problem(str(source), "no such config, neither a file nor a name", hint)])


def _apply(tree: dict[str, Any], override: str, problems: list[Problem]) -> str:
    """Set one `path=value` in the tree, or note what is wrong with it; return the path."""
    written, equals, text = override.partition("=")
    if not equals or not written:
        example = "NeuralNetwork.Training.num_epoch=5"
        problems.append(Problem(override, "expected key=value", f"such as {example}"))
        return ""
    path, problem = full_path(tuple(written.split(".")))
    if problem:
        problems.append(problem)
        return ""
    node = tree
    for depth, key in enumerate(path[:-1]):
        node = node.setdefault(key, {})
        if not isinstance(node, dict):
            problems.append(Problem(written, f"{'.'.join(path[: depth + 1])} is no section"))
            return ""
    node[path[-1]] = _value(text)
    return ".".join(path)


def _value(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return text


def _validate(tree: dict[str, Any]) -> tuple[RunConfig | None, list[Problem]]:
    try:
        return RunConfig.model_validate(tree), []
    except ValidationError as err:
        problems = problems_of(err, tree)
        if replace_kinds(err, tree):
            # what else is wrong in a section shows only once its kind is known
            settle(tree)
            _, more = _validate(tree)
            known = {problem.path for problem in problems}
            problems += [problem for problem in more if problem.path not in known]
        return None, problems
