"""podman-hpc, the real one from PyPI, over rootless podman for an ordinary user."""

from __future__ import annotations

import importlib
import os
import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.support.images import as_user, run

# What it imports; an ordinary user cannot read an environment in root's home.
MODULES = ("podman_hpc", "click", "toml", "yaml")
# crun wants version 2 of control groups, alone; runc takes what there is.
CONTAINERS = """\
[engine]
runtime = "runc"
cgroup_manager = "cgroupfs"
events_logger = "file"
"""
WRAPPER = """\
#!/bin/sh
unset XDG_RUNTIME_DIR
export PATH={folder}/bin:$PATH PYTHONPATH={folder}/lib PYTHONDONTWRITEBYTECODE=1
export CONTAINERS_CONF={folder}/containers.conf STORAGE_DRIVER=overlay
export PODMANHPC_MODULES_DIR={folder}/modules.d PODMANHPC_HOOKS_DIR={folder}/hooks
export PODMANHPC_GRAPH_ROOT={folder}/store/images PODMANHPC_RUN_ROOT={folder}/store/run
export PODMANHPC_CONFIG_HOME={folder}/store/config SQUASH_DIR={folder}/store/squash
exec /usr/bin/python3 -c '
import sys
from podman_hpc.podman_hpc import main
sys.argv[0] = "podman-hpc"
main()' "$@"
"""
LOAD_S = 300


@dataclass(frozen=True)
class PodmanHpc:
    """An installation in `folder`, with the images of `user`."""

    folder: Path
    user: str

    @property
    def path(self) -> str:
        return f"{self.folder}/bin:/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin"

    def command(
        self, *words: str | Path, cwd: Path, timeout_s: int = LOAD_S, **environment: str
    ) -> str:
        """What `words` print, run by the user with podman-hpc on the PATH."""
        settings = [
            f"PATH={self.path}",
            *(f"{name}={value}" for name, value in environment.items()),
        ]
        command = as_user(self.user, ["env", *settings, *words])
        return run(*command, cwd=cwd, timeout_s=timeout_s)


@contextmanager
def podman_hpc(folder: Path, user: str) -> Iterator[PodmanHpc]:
    """An installation that lives as long as the block; its images go away with it."""
    for name in ("bin", "lib", "hooks", "store"):
        (folder / name).mkdir()
    for name in MODULES:
        source = Path(str(importlib.import_module(name).__file__)).parent
        shutil.copytree(source, folder / "lib" / name, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copytree(Path(sys.prefix, "etc/podman_hpc/modules.d"), folder / "modules.d")
    (folder / "containers.conf").write_text(CONTAINERS)
    (folder / "bin/podman-hpc").write_text(WRAPPER.format(folder=folder))
    shutil.copy(Path(sys.executable).parent / "fuse-overlayfs-wrap", folder / "bin")
    run("chmod", "-R", "a+rX,a+x", folder / "bin", folder / "lib")
    (folder / "store").chmod(0o777)
    _message_queues()
    try:
        yield PodmanHpc(folder, user)
    finally:
        run("rm", "-rf", folder / "store")


def _message_queues() -> None:
    """`--ipc=host` shares them; a machine that never used them has not mounted them."""
    place = Path("/dev/mqueue")
    if not place.exists() and os.geteuid() == 0:
        place.mkdir()
        run("mount", "-t", "mqueue", "none", place)
