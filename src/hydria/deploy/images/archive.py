"""Image archives: files with layers and a name, as Docker saves them or as OCI lays them out."""

from __future__ import annotations

import json
import tarfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hydria.core.errors import DeployError

NAME = "org.opencontainers.image.ref.name"


@dataclass(frozen=True)
class Archive:
    """An archive and the name of the image in it.

    Attributes:
        transport: what containers' tools call the kind of file: docker-archive or oci-archive.
    """

    path: Path
    transport: str
    name: str

    @property
    def reference(self) -> str:
        return f"{self.transport}:{self.path}"


def read_archive(path: Path) -> Archive:
    """Look into `path`; DeployError when it is no archive of one image with a name."""
    try:
        with tarfile.open(path) as archive:
            names = archive.getnames()
            docker = "manifest.json" in names
            index = archive.extractfile("manifest.json" if docker else "index.json")
            tree: Any = json.load(index) if index else None
            name = tree[0]["RepoTags"][0] if docker else tree["manifests"][0]["annotations"][NAME]
    except (tarfile.TarError, ValueError, KeyError, IndexError, TypeError) as err:
        raise DeployError(
            f"{path}: expected an Apptainer image, or a Docker or OCI archive of an image with a "
            f"name, got something else ({type(err).__name__}). Hint: hydria image build makes them"
        ) from err
    return Archive(path, "docker-archive" if docker else "oci-archive", str(name))
