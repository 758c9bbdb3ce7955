"""`python -m tests.support.run [--system] [--nightly] [-- PYTEST ARGUMENTS]`: the test command."""

from __future__ import annotations

import argparse
import os
import subprocess
import sys

import pytest

from tests.support.system import PARTS, install, unavailable


def _prepare_system() -> bool:
    """Say and install what is missing; False if it cannot be had."""
    lacking = unavailable()
    for name, programs in lacking.items():
        print(f"{name}: {', '.join(programs)} not found; comes with: {PARTS[name].source()}")
    if not lacking:
        print("system parts: all there (" + ", ".join(PARTS) + ")")
        return True
    if os.geteuid() != 0:
        sources = " ".join(PARTS[name].source() for name in lacking)
        print(f"Hint: as root, install {sources}; then run this again", file=sys.stderr)
        return False
    try:
        install(lacking)
    except (OSError, subprocess.SubprocessError) as err:
        print(f"could not install: {err}", file=sys.stderr)
        return False
    return not unavailable()


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--system", action="store_true", help="install what is missing, run all")
    parser.add_argument("--nightly", action="store_true", help="the long sweeps too")
    parser.add_argument("rest", nargs="*", help="arguments for pytest, after --")
    options = parser.parse_args()
    if options.system and not _prepare_system():
        return 2
    arguments = ["-n", "2", "--dist", "loadgroup", *options.rest]
    if options.system:
        arguments.append("--system")
    if options.nightly:
        arguments.append("--nightly")
    return int(pytest.main(arguments))


if __name__ == "__main__":
    sys.exit(main())
