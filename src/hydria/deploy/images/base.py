"""What a build starts from: a name in a registry, or something that lies on this machine."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from hydria.core.errors import DeployError
from hydria.deploy.images.container import check_image

Kind = Literal["registry", "sif", "rootfs", "archive"]
# Kind → Apptainer's name for it
BOOTSTRAP: dict[Kind, str] = {
    "registry": "docker",
    "sif": "localimage",
    "archive": "docker-archive",
}


@dataclass(frozen=True)
class BaseImage:
    """A base and where it lies; `place` is a registry name or an absolute path."""

    kind: Kind
    place: str


def base_image(text: str) -> BaseImage:
    """Read `--base`; what looks like a path must exist, and be an image that runs here."""
    path = Path(text).expanduser()
    if path.is_dir():
        return BaseImage("rootfs", str(path.resolve()))
    if path.is_file():
        if path.suffix == ".tar":
            return BaseImage("archive", str(path.resolve()))
        check_image(path)
        return BaseImage("sif", str(path.resolve()))
    if text.startswith((".", "/", "~")) or path.suffix in {".sif", ".tar"}:
        raise DeployError(
            f"--base: expected an image file, a root file system or a registry name, got {text!r}, "
            "which does not exist. Hint: hydria image base makes one from a Debian mirror"
        )
    return BaseImage("registry", text)
