"""Lend this machine's pip configuration to a build without writing it into the image.

A build cannot make mount points, but every root file system has /mnt: a folder is bound there
that holds a `pip.conf`, the certificates, and empty folders on which local package folders are
bound in turn. Once the build is over nothing of it is left.
"""

from __future__ import annotations

import ast
import configparser
import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote, urlparse

INSIDE = "/mnt"
CONFIG_FILE = f"{INSIDE}/pip.conf"
# Later ones win, as pip has it.
SECTIONS = ("global", "install", ":env:")
PLACES = ("find-links", "index-url", "extra-index-url")


@dataclass(frozen=True)
class Bind:
    """A folder of the host and where the build sees it, read-only."""

    source: Path
    target: str


def pip_options() -> dict[str, str]:
    """What pip itself says that it uses, files and PIP_* variables together."""
    command = [sys.executable, "-m", "pip", "config", "list"]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60)
    found: dict[str, dict[str, str]] = {}
    for line in done.stdout.splitlines():
        key, equals, value = line.partition("=")
        section, _, name = key.rpartition(".")
        if equals and section in SECTIONS:
            found.setdefault(section, {})[name] = str(ast.literal_eval(value))
    merged: dict[str, str] = {}
    for section in SECTIONS:
        merged |= found.get(section, {})
    return merged


def lend(stage: Path, options: dict[str, str]) -> list[Bind]:
    """Write `stage` and say what to bind where, outer folder first."""
    stage.mkdir(parents=True, exist_ok=True)
    stage.chmod(0o755)
    binds = [Bind(stage, INSIDE)]
    inside = {
        name: "\n".join(_inside(item, name, stage, binds) for item in value.split())
        if name in PLACES
        else value
        for name, value in options.items()
    }
    _lend_certificates(stage, inside)
    parser = configparser.RawConfigParser()
    parser["global"] = inside
    with (stage / "pip.conf").open("w", encoding="utf-8") as stream:
        parser.write(stream)
    (stage / "pip.conf").chmod(0o644)
    return binds


def _inside(item: str, option: str, stage: Path, binds: list[Bind]) -> str:
    """A place packages come from, as the build sees it; addresses stay as they are."""
    folder = _local(item)
    if folder is None:
        return item
    if option == "find-links":
        return _bound(folder, stage, binds)
    # the pages of a simple index point to files beside it
    return f"file://{_bound(folder.parent, stage, binds)}/{folder.name}"


def _local(item: str) -> Path | None:
    address = urlparse(item)
    path = Path(unquote(address.path)) if address.scheme == "file" else Path(item)
    local = address.scheme in ("", "file") and path.is_dir()
    return path.resolve() if local else None


def _bound(folder: Path, stage: Path, binds: list[Bind]) -> str:
    for bind in binds:
        if bind.source == folder:
            return bind.target
    name = f"d{len(binds)}"
    (stage / name).mkdir(exist_ok=True)
    binds.append(Bind(folder, f"{INSIDE}/{name}"))
    return binds[-1].target


def _lend_certificates(stage: Path, options: dict[str, str]) -> None:
    given = options.pop("cert", None) or os.environ.get("SSL_CERT_FILE")
    if given and Path(given).is_file():
        shutil.copyfile(given, stage / "ca.crt")
        (stage / "ca.crt").chmod(0o644)
        options["cert"] = f"{INSIDE}/ca.crt"
