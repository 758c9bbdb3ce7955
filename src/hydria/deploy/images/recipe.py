"""A stack to its two recipes: the same steps, printed as a Dockerfile and an Apptainer definition.

The steps are shell (POSIX sh) and know nothing of the format; the templates know nothing of what
is installed.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from hydria.core.assets import asset_dir
from hydria.deploy.images.lock import pins
from hydria.deploy.images.stack import Stack

if TYPE_CHECKING:
    import jinja2

Format = Literal["sif", "docker"]
# Format → (template, name of the printed file)
TEMPLATES: dict[Format, tuple[str, str]] = {
    "sif": ("apptainer.def.j2", "apptainer.def"),
    "docker": ("Dockerfile.j2", "Dockerfile"),
}
# Not /tmp: Apptainer's builds see the host's there.
BUILD_DIR = "/opt/hydria-build"
WHEELS = "wheels"


@dataclass(frozen=True)
class Argument:
    """A value that a build may give."""

    name: str
    default: str
    why: str


@dataclass(frozen=True)
class Step:
    """Commands that belong together, one by one, joined by `&&`."""

    why: str
    commands: tuple[str, ...]


def arguments(stack: Stack) -> tuple[Argument, ...]:
    """What a build may set, besides the base."""
    return (
        Argument("HYDRIA_VERSION", "unknown", "for the labels"),
        Argument("HYDRIA_REVISION", "unknown", "git revision, for the labels"),
        Argument("HYDRIA_CREATED", "unknown", "time of the build, for the labels"),
        Argument("PIP_CONFIG_FILE", "/dev/null", "the host's pip configuration, bound in"),
        Argument("TORCH_INDEX_URL", "", "an index to take torch from, such as one of CPU builds"),
    )


def labels(stack: Stack) -> dict[str, str]:
    """OCI and own labels; ${NAME} stands for a build argument."""
    oci = "org.opencontainers.image"
    return {
        f"{oci}.title": stack.title,
        f"{oci}.version": "${HYDRIA_VERSION}",
        f"{oci}.revision": "${HYDRIA_REVISION}",
        f"{oci}.created": "${HYDRIA_CREATED}",
        f"{oci}.licenses": "BSD-3-Clause",
        "org.hydria.stack": stack.name,
        "org.hydria.accelerator": stack.accelerator,
        "org.hydria.torch": stack.torch.version,
        "org.hydria.mpi": f"{stack.mpi.package} {stack.mpi.version}",
    }


def steps(stack: Stack) -> tuple[Step, ...]:
    """Everything that an image gets, in order."""
    return (*_system(stack), *_python(stack), _caches(stack), *_site(stack), _finish(stack))


def _system(stack: Stack) -> Iterator[Step]:
    names = " ".join(package.name for package in stack.packages)
    yield Step(
        "system packages, where the base lacks them",
        (
            f"dpkg -s {names} > /dev/null 2>&1 \\\n"
            "    || { apt-get update \\\n"
            f"    && apt-get install -y --no-install-recommends {names} \\\n"
            "    && rm -rf /var/lib/apt/lists/*; }",
        ),
    )


def _python(stack: Stack) -> Iterator[Step]:
    pip = f"PIP_CONSTRAINT='' {stack.prefix}/bin/pip install --no-cache-dir --no-compile --no-deps"
    see_base = _see_base(stack) if stack.torch.from_ == "base" else ()
    yield Step(
        "an environment of its own",
        (f"{stack.python.executable} -m venv {stack.prefix}", *see_base),
    )
    if stack.compiled:
        pinned = pins(stack.requirements)
        first = " ".join(f"{name}=={pinned[name]}" for name in (stack.mpi.package, "mpi4py"))
        yield Step("what is compiled below is compiled against this MPI", (f"{pip} {first}",))
    yield Step(
        "what hydria[train] needs, pinned; constraints of the base hold for the base only",
        (
            f"{_compile(stack)}{pip} \\\n"
            '    ${TORCH_INDEX_URL:+--extra-index-url "$TORCH_INDEX_URL"} \\\n'
            f"    -r {BUILD_DIR}/requirements.txt",
        ),
    )
    yield Step(
        "hydria and HydraGNN's import names",
        (f"{pip} {BUILD_DIR}/{WHEELS}/*.whl",),
    )


def _compile(stack: Stack) -> str:
    """Variables by which pip compiles what this stack wants compiled."""
    if not stack.compiled:
        return ""
    names = ",".join(entry.package for entry in stack.compiled)
    packages = packages_of(stack)
    settings = [
        f"MPI_C_COMPILER={stack.prefix}/bin/mpicc",
        f"MPI_CXX_COMPILER={stack.prefix}/bin/mpicxx",
        f"PythonModule_mpi4py_PATH={packages}/mpi4py",
    ]
    for entry in stack.compiled:
        settings += [f"CMAKE_INSTALL_RPATH={packages}/{entry.package}", *entry.cmake]
    options = " ".join(f"-D{setting}" for setting in settings)
    return f"PIP_NO_BINARY={names} CMAKE_ARGS='{options}' \\\n"


def _see_base(stack: Stack) -> tuple[str, str]:
    """Let the environment see the base's torch, after its own packages, whatever holds it."""
    find = "import os, torch; print(os.path.dirname(os.path.dirname(torch.__file__)))"
    line = "import site; site.addsitedir('%s')\\n"
    pth = f"{packages_of(stack)}/base.pth"
    return (f'base=$({stack.python.executable} -c "{find}")', f'printf "{line}" "$base" > {pth}')


def packages_of(stack: Stack) -> str:
    """Where the environment keeps its packages."""
    return f"{stack.prefix}/lib/python{stack.python.version}/site-packages"


def _caches(stack: Stack) -> Step:
    """Python reads a `.pth` line when it starts: in both formats, for every user, at run time."""
    names = ", ".join(f"('{cache.name}', '{cache.folder}')" for cache in stack.caches)
    line = (
        "import os; "
        "[os.environ.setdefault(name, os.path.join(os.environ.get('TMPDIR') or '/tmp', "
        f"'hydria-%d' % os.getuid(), folder)) for name, folder in ({names})]"
    )
    return Step(
        "caches go where the user may write, and belong to one user",
        (f'echo "{line}" > {packages_of(stack)}/hydria_caches.pth',),
    )


def _site(stack: Stack) -> Iterator[Step]:
    yield Step(
        "a site's libraries come before the image's: the loader's cache is asked last",
        (
            "mkdir -p " + " ".join(hook.path for hook in stack.hooks),
            f"echo {stack.prefix}/lib > /etc/ld.so.conf.d/zz-hydria.conf",
            "ldconfig",
        ),
    )


def _finish(stack: Stack) -> Step:
    checks = [f"import torch; assert {stack.torch.check}, torch.__version__"]
    checks += [f"import {entry.package}; assert {entry.check}" for entry in stack.compiled]
    packages = packages_of(stack)
    return Step(
        "what this stack is for is there; compiled, because nobody can later; no build files stay",
        (
            *(f'{stack.prefix}/bin/python -c "{check}"' for check in checks),
            f"rm -rf {packages}/torch/test {packages}/torch/bin/test_*",
            # a few packages carry files for other versions of Python, which do not compile
            f"{{ {stack.prefix}/bin/python -m compileall -q -q -j 0 {packages} || true; }}",
            f"cp {BUILD_DIR}/requirements.txt {stack.prefix}/requirements.txt",
            f"rm -rf {BUILD_DIR} /root/.cache",
        ),
    )


def environment(stack: Stack) -> dict[str, str]:
    """Variables of the image; the hooks are first where libraries are searched."""
    hooks = ":".join(hook.path for hook in stack.hooks)
    values = {variable.name: variable.value for variable in stack.environment}
    return values | {
        "LD_LIBRARY_PATH": hooks + "${LD_LIBRARY_PATH:+:${LD_LIBRARY_PATH}}",
        "HYDRIA_STACK": stack.name,
    }


def print_recipe(stack: Stack, format_: Format, bootstrap: str = "docker") -> str:
    """The recipe's text; the same stack gives the same bytes.

    `bootstrap` is Apptainer's word for where a definition's base comes from.
    """
    template, _ = TEMPLATES[format_]
    return str(
        templates()
        .get_template(template)
        .render(
            stack=stack,
            bootstrap=bootstrap,
            arguments=arguments(stack),
            labels=labels(stack),
            steps=steps(stack),
            environment=environment(stack),
            reasons={variable.name: variable.why for variable in stack.environment},
            build_dir=BUILD_DIR,
            wheels=WHEELS,
        )
    )


def printed_name(format_: Format) -> str:
    return TEMPLATES[format_][1]


def templates() -> jinja2.Environment:
    """The templates of `containers/templates`, with strict variables."""
    import jinja2

    # [[ … ]], because Apptainer fills in {{ … }} itself when it builds
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(asset_dir("containers") / "templates"),
        undefined=jinja2.StrictUndefined,
        variable_start_string="[[",
        variable_end_string="]]",
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        autoescape=False,
    )
    environment.filters["apptainer"] = apptainer_text
    environment.filters["as_json"] = json.dumps
    return environment


def apptainer_text(text: str) -> str:
    """`${NAME}`, which a Dockerfile fills in, as Apptainer writes it."""
    return re.sub(r"\$\{(\w+)\}", r"{{ \1 }}", text)
