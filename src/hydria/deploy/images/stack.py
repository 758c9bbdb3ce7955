"""What a container stack is: the data of `containers/<stack>/stack.yaml`.

What all stacks share stands once, in `containers/common.yaml`; a stack adds to its lists and
overrides the rest.
"""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError

from hydria.core.assets import asset_dir
from hydria.core.errors import DeployError, Problem, listed
from hydria.core.registry import nearest

Accelerator = Literal["cpu", "cuda", "rocm", "xpu"]
Architecture = Literal["x86_64", "aarch64"]
UNKNOWN = "unknown"


def _one_line(text: str) -> str:
    if "\n" in text.strip():
        raise ValueError("expected one line")
    return text.strip()


Text = Annotated[str, Field(min_length=1), AfterValidator(_one_line)]
# Words that recipes print unquoted: nothing in them may mean something to a shell.
Word = Annotated[str, Field(pattern=r"^[A-Za-z0-9/][A-Za-z0-9._+/:@=-]*$")]
AbsolutePath = Annotated[str, Field(pattern=r"^/[A-Za-z0-9._/-]+$")]


class Part(BaseModel):
    """A part of a stack: immutable, no unknown keys."""

    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True)


class Base(Part):
    """The image that a build starts from; `--base` replaces it."""

    image: Word
    digest: Annotated[str, Field(pattern=r"^(unknown|sha256:[0-9a-f]{64})$")]
    source: Text
    as_of: date
    why: Text

    @property
    def reference(self) -> str:
        """Name and tag, held to its digest where a registry told it."""
        return self.image if self.digest == UNKNOWN else f"{self.image}@{self.digest}"


class Python(Part):
    executable: Word
    version: Annotated[str, Field(pattern=r"^3\.\d+$")]
    why: Text


class Torch(Part):
    version: Annotated[str, Field(pattern=r"^\d+\.\d+\.\d+$")]
    from_: Literal["requirements", "base"] = Field(alias="from")
    check: Text
    """A Python expression over `torch` that only the right build makes true."""
    why: Text


class Mpi(Part):
    package: Word
    version: Annotated[str, Field(pattern=r"^\d+\.\d+\.\d+$")]
    family: Literal["mpich"]
    why: Text


class Package(Part):
    name: Word
    why: Text


class Variable(Part):
    name: Annotated[str, Field(pattern=r"^[A-Z][A-Z0-9_]*$")]
    value: Annotated[str, Field(pattern=r"^[A-Za-z0-9._/:${}+-]*$")]
    why: Text


class Cache(Part):
    """A variable that gets a folder of its own under the user's temporary folder."""

    name: Annotated[str, Field(pattern=r"^[A-Z][A-Z0-9_]*$")]
    folder: Word
    why: Text


class Hook(Part):
    """A folder that is empty in the image, first on the loader's path, for a site to bind over."""

    path: AbsolutePath
    why: Text


class Missing(Part):
    """A requirement that has no wheel for one architecture."""

    package: Word
    architecture: Architecture
    why: Text


class FromSource(Part):
    """A package that stacks for some accelerators compile, against the image's MPI."""

    package: Word
    accelerators: tuple[Accelerator, ...]
    cmake: tuple[Word, ...]
    """`NAME=VALUE` settings of its CMake build."""
    check: Text
    """A Python expression over the package that only the right build makes true."""
    why: Text


class Stack(Part):
    """One stack."""

    name: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9-]*$")]
    title: Text
    accelerator: Accelerator
    architectures: tuple[Architecture, ...]
    base: Base
    python: Python
    torch: Torch
    mpi: Mpi
    prefix: AbsolutePath
    packages: tuple[Package, ...]
    environment: tuple[Variable, ...]
    caches: tuple[Cache, ...]
    hooks: tuple[Hook, ...]
    missing: tuple[Missing, ...] = ()
    from_source: tuple[FromSource, ...] = ()
    test: Text

    @property
    def folder(self) -> Path:
        return asset_dir("containers") / self.name

    @property
    def requirements(self) -> Path:
        return self.folder / "requirements.txt"

    @property
    def compiled(self) -> tuple[FromSource, ...]:
        """What this stack compiles itself."""
        return tuple(entry for entry in self.from_source if self.accelerator in entry.accelerators)

    def without_wheel(self, architecture: str) -> set[str]:
        """Packages of which no index has a wheel for `architecture`."""
        return {entry.package for entry in self.missing if entry.architecture == architecture}

    def absent(self, architecture: str) -> set[str]:
        """Packages that the image for `architecture` does without."""
        return self.without_wheel(architecture) - {entry.package for entry in self.compiled}


def stack_names() -> tuple[str, ...]:
    """Every folder with a `stack.yaml`."""
    return tuple(sorted(path.parent.name for path in asset_dir("containers").glob("*/stack.yaml")))


def load_stack(name: str) -> Stack:
    """Read and check one stack; DeployError names every problem."""
    if name not in stack_names():
        close = nearest(name, stack_names())
        hint = f"did you mean {close!r}?" if close else f"stacks: {listed(stack_names())}"
        raise DeployError((Problem("", f"no container stack {name!r}", hint),))
    folder = asset_dir("containers")
    tree = merged(_read(folder / "common.yaml"), _read(folder / name / "stack.yaml"))
    try:
        return Stack.model_validate({"name": name} | tree)
    except ValidationError as err:
        raise DeployError([_problem(name, error) for error in err.errors()]) from err


def merged(common: dict[str, Any], own: dict[str, Any]) -> dict[str, Any]:
    """`own` over `common`, key by key; lists are joined, common entries first."""
    tree = common | own
    for key, value in common.items():
        if isinstance(value, list) and isinstance(own.get(key), list):
            tree[key] = [*value, *own[key]]
        elif isinstance(value, dict) and isinstance(own.get(key), dict):
            tree[key] = value | own[key]
    return tree


def _read(path: Path) -> dict[str, Any]:
    import yaml

    try:
        tree = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, yaml.YAMLError) as err:
        raise DeployError(f"{path}: cannot be read: {err}") from err
    if not isinstance(tree, dict):
        raise DeployError(f"{path}: expected keys such as 'title: …', got {type(tree).__name__}")
    return tree


def _problem(name: str, error: Any) -> Problem:
    where = ".".join(str(part) for part in error["loc"])
    message = error["msg"].removeprefix("Value error, ")
    return Problem(f"containers/{name}/stack.yaml: {where}", f"{message}, got {error['input']!r}")
