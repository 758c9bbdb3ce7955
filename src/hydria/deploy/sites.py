"""Site files: found by name, read once, every problem of a file reported together."""

from __future__ import annotations

import hashlib
import re
import string
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, get_args

from pydantic import BaseModel, ValidationError

from hydria.config.site import Site
from hydria.core.assets import asset_dir
from hydria.core.errors import DeployError, Problem, listed
from hydria.core.registry import nearest
from hydria.deploy.assume import assume_facts
from hydria.deploy.launching import FIELDS
from hydria.deploy.quoting import template

SUFFIX = ".yaml"
# What stands in a script without quotes.
PLAIN = re.compile(r"[\w./:,@%+= -]*")
# What directives may have in braces.
NUMBERS = frozenset({"nodes", "ranks", "ranks_per_node", "gpus", "cores"})


@dataclass(frozen=True)
class LoadedSite:
    """A site and the file it was read from."""

    site: Site
    path: Path
    sha256: str
    assumed: tuple[tuple[str, str], ...] = ()
    """Unknown facts that were given a value: path and value."""


def site_names() -> tuple[str, ...]:
    """The sites that come with Hydria."""
    return tuple(sorted(path.stem for path in asset_dir("site").glob(f"*{SUFFIX}")))


def load_site(name: str, assume: Sequence[str] = ()) -> LoadedSite:
    """Read a site by its name, or by the path of a file of one's own.

    Args:
        assume: `path=value` for facts that the file calls unknown.

    Raises:
        DeployError: for an unknown name (with the nearest known one) or a file with problems.
    """
    path = Path(name) if name.endswith((SUFFIX, ".yml")) else asset_dir("site") / f"{name}{SUFFIX}"
    if not path.is_file():
        raise DeployError([_unknown(name)])
    content = path.read_bytes()
    tree = _read_yaml(path, content)
    assumed = assume_facts(tree, assume, path.stem) if assume else ()
    return LoadedSite(_validated(path, tree), path, hashlib.sha256(content).hexdigest(), assumed)


def _unknown(name: str) -> Problem:
    if name.endswith((SUFFIX, ".yml")):
        return Problem("--site", f"expected the file of a machine, got nothing at {name}")
    known = site_names()
    close = nearest(Path(name).stem, known)
    hint = f"did you mean {close!r}?" if close else "site/README.md says how to add a machine"
    return Problem("--site", f"expected one of {listed(known)}, got {name!r}", hint)


def _validated(path: Path, tree: Any) -> Site:
    try:
        site = Site.model_validate(tree)
    except ValidationError as err:
        raise DeployError([_problem(path, error) for error in err.errors()]) from err
    problems = [*_templates(path, site), *_braces(path, site), *_builds(path, site)]
    if problems:
        raise DeployError(problems)
    if site.name != path.stem:
        raise DeployError(
            [Problem(f"{path.name}: name", f"expected {path.stem!r}, got {site.name!r}")]
        )
    return site


def _templates(path: Path, site: Site) -> Iterator[Problem]:
    """Texts that become shell words hold nothing but plain characters and known variables."""
    storage = site.storage
    scratch = storage.scratch.value or ""
    texts = {
        "storage.scratch": scratch,
        "storage.runs": storage.runs,
        "storage.data": storage.data,
    }
    texts |= {f"env {row.name}": row.value for row in site.env if "$" in row.value}
    yield from _plain(path, site)
    for place, text in texts.items():
        try:
            template(text.replace("$SCRATCH", scratch).replace("$CONFIG", ""))
        except ValueError as err:
            yield Problem(f"{path.name}: {place}", str(err))


def _plain(path: Path, site: Site) -> Iterator[Problem]:
    """Words that the script holds as they are."""
    container = site.container
    texts = {
        "module_paths": (*site.module_paths, *container.module_paths),
        "modules": (*(row.name for row in site.modules), *container.modules_run),
        "container flags": (container.gpu_flag or "", *container.exec_flags),
        "env_unset": site.env_unset,
        **{
            f"container.injections {row.name}": (*row.modules, *row.flags)
            for row in container.injections
        },
    }
    for place, words in texts.items():
        for word in words:
            if not PLAIN.fullmatch(word):
                yield Problem(f"{path.name}: {place}", f"expected plain words, got {word!r}")


def _braces(path: Path, site: Site) -> Iterator[Problem]:
    """What stands in braces is something that a plan fills in."""
    launch, directives = site.launch, site.directives
    texts = {
        "launch.template": (launch.template, FIELDS),
        "launch.template_cpu": (launch.template_cpu, FIELDS),
        **{f"directives {row.flag}": (row.value, NUMBERS) for row in directives.required},
        **{f"directives {row.emit}": (row.emit, NUMBERS) for row in directives.conditional},
    }
    for place, (text, known) in texts.items():
        for name in _named_in(text or ""):
            if name not in known:
                message = f"expected {{{'}, {'.join(sorted(known))}}}, got {{{name}}}"
                yield Problem(f"{path.name}: {place}", message)
    if launch.gpu_select == "mask_wrapper" and "local_rank" not in launch.rank_env:
        message = "expected local_rank, which mask_wrapper asks for"
        yield Problem(f"{path.name}: launch.rank_env", message)


def _builds(path: Path, site: Site) -> Iterator[Problem]:
    """Modules that put the machine's libraries into a running container break its build."""
    injected = {name for row in site.container.injections for name in row.modules}
    for name in sorted(injected & set(site.container.modules_build)):
        message = f"expected none of the modules of injections, got {name!r}"
        hint = "it is loaded when a container runs, and breaks its build"
        yield Problem(f"{path.name}: container.modules_build", message, hint)


def _named_in(text: str) -> list[str]:
    try:
        return [name for _, name, _, _ in string.Formatter().parse(text) if name is not None]
    except ValueError:  # a brace alone
        return ["…"]


def _read_yaml(path: Path, content: bytes) -> Any:
    import yaml

    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # ten times quicker where it exists
    try:
        return yaml.load(content, Loader=loader)
    except yaml.YAMLError as err:
        raise DeployError([Problem(path.name, f"expected YAML: {err}")]) from err


def _problem(path: Path, error: Any) -> Problem:
    place = ".".join(str(key) for key in error["loc"] if key != "value")
    where = f"{path.name}: {place}" if place else path.name
    if error["type"] == "extra_forbidden":
        close = nearest(str(error["loc"][-1]), _keys())
        hint = f"did you mean {close!r}?" if close else "site/README.md lists the keys"
        return Problem(where, "no such key", hint)
    message = error["msg"].removeprefix("Value error, ")
    return Problem(where, message[:1].lower() + message[1:])


@cache
def _keys() -> tuple[str, ...]:
    return tuple(sorted({key for model in _models(Site) for key in model.model_fields}))


def _models(model: type[BaseModel]) -> Iterator[type[BaseModel]]:
    yield model
    for field in model.model_fields.values():
        for inner in _models_in(field.annotation):
            yield from _models(inner)


def _models_in(annotation: Any) -> Iterator[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for argument in get_args(annotation):
        yield from _models_in(argument)
