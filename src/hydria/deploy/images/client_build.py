"""A build by spython's client, as a program: whoever starts it can end it, and all it started.

The client starts Apptainer without handing its process out.

Usage: python -m hydria.deploy.images.client_build IMAGE RECIPE [OPTION…]
"""

from __future__ import annotations

import signal
import subprocess
import sys


def main(image: str, recipe: str, *options: str) -> int:
    """Pass on what the build prints; returns Apptainer's exit code."""
    from spython.main import Client

    # whoever is told to stop waits here until Apptainer, which is told too, has tidied up
    signal.signal(signal.SIGTERM, lambda number, frame: None)
    _, lines = Client.build(
        recipe,
        image,
        force=True,
        sudo=False,
        stream=True,
        options=list(options),
        # the client reads standard error only when all is over: nothing but errors may go there
        singularity_options=["--silent", "--nocolor"],
        quiet=True,
    )
    try:
        for line in lines:
            print(line, end="", flush=True)
    except subprocess.CalledProcessError as err:
        return int(err.returncode)
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
