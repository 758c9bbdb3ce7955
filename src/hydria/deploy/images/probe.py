"""What is in an image: this file's text runs inside it, with the image's own Python.

Only the standard library may be imported at the top; Hydria itself may be missing in there.
"""

from __future__ import annotations

import json
import os
import platform
import sys
from importlib import import_module, metadata


def packages() -> dict[str, str]:
    """Name → version of every installed distribution; the first one on the path counts."""
    found: dict[str, str] = {}
    for distribution in metadata.distributions():
        name = str(distribution.metadata["Name"] or "").lower().replace("_", "-").replace(".", "-")
        found.setdefault(name, distribution.version)
    return dict(sorted(found.items()))


def torch_build() -> dict[str, str | None]:
    """Version of torch and of what it was built for."""
    try:
        torch = import_module("torch")
    except ImportError as err:
        return {"error": str(err)}
    kinds = ("cuda", "hip", "xpu")
    built = {kind: getattr(torch.version, kind, None) for kind in kinds}
    return {"version": str(torch.__version__)} | {
        kind: None if version is None else str(version) for kind, version in built.items()
    }


def mpi_library() -> str:
    """What the MPI that mpi4py finds calls itself; it is not initialised."""
    try:
        import_module("mpi4py").rc.initialize = False
        return str(import_module("mpi4py.MPI").Get_library_version())
    except (ImportError, OSError, RuntimeError) as err:
        return f"none: {err}"


def main() -> None:
    facts = {
        "python": platform.python_version(),
        "architecture": platform.machine(),
        "glibc": os.confstr("CS_GNU_LIBC_VERSION"),
        "packages": packages(),
        "torch": torch_build(),
        "mpi": mpi_library(),
    }
    json.dump(facts, sys.stdout)


if __name__ == "__main__":
    main()
