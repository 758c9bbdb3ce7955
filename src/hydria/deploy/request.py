"""What a person asks for: flag, config, environment, own file, site default, in that order."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from hydria.config.job import JobConfig
from hydria.config.site import Site
from hydria.core.errors import DeployError, Problem
from hydria.core.registry import nearest

USER_FILE = "~/.config/hydria.yaml"
# What `hydria image stage` brought where; a file that no person writes.
STAGED_FILE = "hydria-images.yaml"
COUNTS = frozenset({"nodes", "gpus", "cpus", "ranks"})
# Names under which the environment may give a value; the first one that is set counts.
VARIABLES = {key: (f"HYDRIA_{key.upper()}",) for key in JobConfig.model_fields if key != "env"} | {
    "account": ("HYDRIA_ACCOUNT", "SBATCH_ACCOUNT"),
    "memory": ("HYDRIA_MEM",),
}
# What pydantic's own complaints say, in the words of our messages.
EXPECTED = {
    "greater_than_equal": "a whole number ≥ {ge}",
    "int_type": "a whole number",
    "string_type": "text",
    "dict_type": "names with values",
}


@dataclass(frozen=True)
class Layer:
    """One place that values come from."""

    values: JobConfig
    names: Mapping[str, str]
    """What a value of this layer is called, by key; `*` for the others."""

    def called(self, key: str) -> str:
        return self.names.get(key) or self.names["*"].format(key=key)


@dataclass(frozen=True)
class Setting:
    """A value and where it was said."""

    value: Any
    source: str


@dataclass(frozen=True)
class Request:
    """All layers, the strongest first."""

    layers: tuple[Layer, ...]

    def get(self, key: str) -> Setting | None:
        """The strongest layer's value of `key`, None when nobody gives one."""
        for layer in self.layers:
            value = getattr(layer.values, key)
            if value is not None:
                return Setting(value, layer.called(key))
        return None

    def environment(self) -> dict[str, Setting]:
        """Variables for the ranks; each one from the strongest layer that gives it."""
        found: dict[str, Setting] = {}
        for layer in self.layers:
            for name, value in layer.values.env.items():
                found.setdefault(name, Setting(value, layer.called("env")))
        return found


def flag_name(key: str) -> str:
    own = {"memory": "--mem", "directives": "--directive"}
    return own.get(key, "--" + key.replace("_", "-"))


def gather(
    flags: Mapping[str, Any],
    job: JobConfig | None,
    environment: Mapping[str, str],
    site: Site,
    user_file: Path | None = None,
) -> Request:
    """Read every layer; DeployError lists all values that cannot be used.

    Args:
        flags: by key, None where a flag was not given.
        job: the config's `Job:` section.
        environment: such as `os.environ`.
        user_file: the person's own file; ~/.config/hydria.yaml when left out.
    """
    given = {key: value for key, value in flags.items() if value is not None}
    named = {key: flag_name(key) for key in given}
    variables = _from_environment(environment)
    problems: list[Problem] = []
    layers = [
        _layer(given, named | {"*": "--{key}"}, problems),
        Layer(job or JobConfig(), {"*": "config Job.{key}"}),
        _layer(
            {key: value for key, (_, value) in variables.items()},
            {key: name for key, (name, _) in variables.items()} | {"*": "HYDRIA_{key}"},
            problems,
        ),
        *_own_layers(user_file or Path(os.path.expanduser(USER_FILE)), site.name, problems),
        _staged(staged_file(user_file), site.name),
        Layer(site.defaults, {"*": f"default of site {site.name}"}),
    ]
    if problems:
        raise DeployError(problems)
    return Request(tuple(layers))


def _from_environment(environment: Mapping[str, str]) -> dict[str, tuple[str, Any]]:
    found: dict[str, tuple[str, Any]] = {}
    for key, names in VARIABLES.items():
        name = next((name for name in names if environment.get(name)), None)
        if name is not None:
            text = environment[name]
            found[key] = (name, int(text) if key in COUNTS and text.isdigit() else text)
    return found


def _layer(values: Mapping[str, Any], names: Mapping[str, str], problems: list[Problem]) -> Layer:
    """A layer of the values that are right; what is wrong is added to `problems`."""
    try:
        return Layer(JobConfig.model_validate(dict(values)), names)
    except ValidationError as err:
        for error in err.errors():
            problems.append(_problem(error, names))
        return Layer(JobConfig(), names)


def _problem(error: Any, names: Mapping[str, str]) -> Problem:
    key = str(error["loc"][0])
    where = names.get(key) or names["*"].format(key=key)
    if error["type"] == "extra_forbidden":
        close = nearest(key, JobConfig.model_fields)
        return Problem(where, "no such key", f"did you mean {close!r}?" if close else None)
    message = error["msg"].removeprefix("Value error, ")
    if not message.startswith("expected"):
        wanted = EXPECTED.get(error["type"], error["msg"][:1].lower() + error["msg"][1:])
        wanted = wanted.format(**error.get("ctx", {}))
        message = f"expected {wanted}, got {error['input']!r}"
    return Problem(where, message)


def staged_file(user_file: Path | None = None) -> Path:
    """Where staged images are remembered: beside the person's own file."""
    return (user_file or Path(os.path.expanduser(USER_FILE))).with_name(STAGED_FILE)


def staged_images(path: Path) -> dict[str, str]:
    """Site → image, as `hydria image stage` wrote it; DeployError when it is something else."""
    import yaml

    try:
        tree = yaml.safe_load(path.read_text(encoding="utf-8")) if path.is_file() else {}
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as err:
        raise DeployError(f"{path}: cannot be read: {err}") from err
    if not isinstance(tree, dict) or not all(isinstance(image, str) for image in tree.values()):
        raise DeployError(f"{path}: expected 'site: image' lines. Hint: remove the file")
    return tree


def _staged(path: Path, site: str) -> Layer:
    image = staged_images(path).get(site)
    return Layer(JobConfig(image=image), {"*": f"{path.name} {site}"})


def _own_layers(path: Path, site: str, problems: list[Problem]) -> list[Layer]:
    """The person's own file: values for all machines, and under `sites:` for this one."""
    if not path.is_file():
        return []
    import yaml

    shown = path.name if path != Path(os.path.expanduser(USER_FILE)) else USER_FILE
    try:
        tree = yaml.safe_load(path.read_text(encoding="utf-8")) or {}
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as err:
        problems.append(Problem(shown, f"cannot be read: {err}"))
        return []
    if not isinstance(tree, dict) or not isinstance(tree.get("sites", {}), dict):
        problems.append(Problem(shown, "expected keys such as 'account: abc123'"))
        return []
    own = tree.pop("sites", {}).get(site) or {}
    return [
        _layer(own, {"*": f"{shown} sites.{site}.{{key}}"}, problems),
        _layer(tree, {"*": f"{shown} {{key}}"}, problems),
    ]
