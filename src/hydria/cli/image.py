"""`hydria image`: list, print, build, look into and deliver container images."""

from __future__ import annotations

import json as json_module
import shlex
import sys
from pathlib import Path
from typing import Annotated

import typer

from hydria.core.errors import DeployError
from hydria.core.files import write_text_atomic
from hydria.deploy.images.base import BaseImage, base_image
from hydria.deploy.images.build import Build, build_sif
from hydria.deploy.images.container import check_exists, examine, instance, read_facts
from hydria.deploy.images.docker import build_docker
from hydria.deploy.images.local_base import build_base
from hydria.deploy.images.lock import locked_text, resolve
from hydria.deploy.images.recipe import TEMPLATES, print_recipe, printed_name
from hydria.deploy.images.sbom import sbom as bill_of_materials
from hydria.deploy.images.stack import Stack, load_stack, stack_names
from hydria.deploy.images.stage import deliver, plan_delivery, record
from hydria.deploy.images.verify import Row
from hydria.deploy.images.verify import verify as verify_facts
from hydria.deploy.sites import load_site

app = typer.Typer(
    help="List, print, build, look into and deliver container images.", rich_markup_mode=None
)
BUILDERS = {"sif": (build_sif, ".sif"), "docker": (build_docker, ".tar")}
Name = Annotated[str, typer.Argument(help="A stack; `hydria image list` names them.")]
Names = Annotated[list[str] | None, typer.Argument(help="Stacks; all when left out.")]
Image = Annotated[Path, typer.Argument(help="An image file.")]


@app.command("list")
def list_stacks() -> None:
    """Name every stack with its base."""
    for name in stack_names():
        stack = load_stack(name)
        print(f"{name:<6} {'+'.join(stack.architectures):<16} {stack.base.image}")


@app.command("print")
def print_files(
    names: Names = None,
    check: Annotated[bool, typer.Option(help="Only say which files are out of step.")] = False,
) -> None:
    """Write each stack's Dockerfile and apptainer.def anew."""
    stale = []
    for stack in _stacks(names):
        for format_ in TEMPLATES:
            path = stack.folder / printed_name(format_)
            text = print_recipe(stack, format_)
            if path.is_file() and path.read_text(encoding="utf-8") == text:
                continue
            stale.append(path)
            if not check:
                write_text_atomic(path, text)
    for path in stale:
        print(f"{'stale' if check else 'written'}: {path}")
    if check and stale:
        raise DeployError("printed recipes are out of step. Hint: hydria image print")


@app.command()
def build(
    name: Name,
    format_: Annotated[str, typer.Option("--format", help="sif or docker.")] = "sif",
    output: Annotated[Path | None, typer.Option(help="File; default hydria-STACK.sif.")] = None,
    base: Annotated[
        str | None, typer.Option(help="Base instead of the stack's: a name, SIF, archive, folder.")
    ] = None,
    wheel: Annotated[
        list[Path] | None, typer.Option(help="Wheels of hydria and hydragnn; default: this tree's.")
    ] = None,
    torch_index: Annotated[str, typer.Option(help="Address of an index of torch builds.")] = "",
    force: Annotated[bool, typer.Option(help="Replace the file if it exists.")] = False,
) -> None:
    """Build the image of a stack."""
    if format_ not in BUILDERS:
        raise DeployError(f"--format: expected one of {', '.join(BUILDERS)}, got {format_!r}")
    builder, suffix = BUILDERS[format_]
    stack = load_stack(name)
    target = output or Path(f"hydria-{name}{suffix}")
    _check_free(target, force)
    start = base_image(base) if base else BaseImage("registry", stack.base.reference)
    builder(Build(stack, start, target, tuple(wheel or ()), torch_index, _say))
    print(f"{target}: {target.stat().st_size / 1e6:.0f} MB")
    print(f"check it with: hydria image verify {shlex.quote(str(target))}")


@app.command()
def base(
    name: Name,
    output: Annotated[Path | None, typer.Option(help="File; default base-STACK.sif.")] = None,
    mirror: Annotated[str, typer.Option(help="Debian mirror; default: apt's own.")] = "",
    force: Annotated[bool, typer.Option(help="Replace the file if it exists.")] = False,
) -> None:
    """Make a stack's base from a Debian mirror, where no registry can be reached."""
    target = output or Path(f"base-{name}.sif")
    _check_free(target, force)
    build_base(load_stack(name), target, mirror, _say)
    print(f"{target}: {target.stat().st_size / 1e6:.0f} MB")
    print(f"use it with: hydria image build {name} --base {shlex.quote(str(target))}")


@app.command()
def verify(
    image: Image,
    site: Annotated[str | None, typer.Option(help="A machine that it must fit.")] = None,
    json: Annotated[bool, typer.Option("--json", help="As JSON.")] = False,
) -> None:
    """Compare an image with its stack and with a machine."""
    machine = load_site(site).site if site else None
    with instance(image) as run:
        rows, faults = verify_facts(read_facts(image, run), machine), examine(run)
    rows.append(Row("hydria doctor in it", "no faults", faults or "no faults", faults is None))
    if json:
        print(json_module.dumps([vars(row) for row in rows], indent=2))
    else:
        for row in rows:
            expected = f"  (expected {row.expected})" if row.expected and not row.fine else ""
            print(f"{'ok   ' if row.fine else 'WRONG'} {row.what:<28} {row.got}{expected}")
    wrong = [row.what for row in rows if not row.fine]
    if wrong:
        raise DeployError(f"{image}: {', '.join(wrong)} not as expected")


@app.command()
def sbom(
    image: Image,
    output: Annotated[Path | None, typer.Option(help="File; default: standard output.")] = None,
) -> None:
    """Write the packages of an image as CycloneDX."""
    text = bill_of_materials(read_facts(image))
    if output:
        write_text_atomic(output, text + "\n")
    else:
        print(text)


@app.command()
def stage(
    image: Image,
    site: Annotated[str, typer.Option(help="The machine.")],
    to: Annotated[str, typer.Option(help="Path there; for shifter a name in a registry.")],
    here: Annotated[bool, typer.Option(help="That path is on this machine: do it now.")] = False,
) -> None:
    """Say what brings an image to a machine, and make it the default of `hydria job` there."""
    check_exists(image)
    delivery = plan_delivery(image, load_site(site).site, to, here)
    for note in delivery.notes:
        print(f"# {note}")
    if here:
        deliver(delivery, _say)
    else:
        print("\n".join(map(str, delivery.steps)))
    path = record(site, delivery.image)
    print(f"# hydria job --site {site} uses {delivery.image} from now on ({path})")


@app.command()
def lock(
    names: Names = None,
    constraints: Annotated[
        Path | None, typer.Option(help="Versions to hold to, as far as they go.")
    ] = None,
) -> None:
    """Resolve what the stacks install and pin it; takes minutes and the network."""
    for stack in _stacks(names):
        found = {arch: resolve(stack, arch, constraints) for arch in stack.architectures}
        write_text_atomic(stack.requirements, locked_text(stack, found))
        print(f"{stack.requirements}: {', '.join(f'{len(v)} on {a}' for a, v in found.items())}")


def _stacks(names: list[str] | None) -> list[Stack]:
    return [load_stack(name) for name in names or stack_names()]


def _check_free(target: Path, force: bool) -> None:
    if target.exists() and not force:
        raise DeployError(f"{target}: exists already. Hint: --force replaces it")


def _say(line: str) -> None:
    print(line, file=sys.stderr)
