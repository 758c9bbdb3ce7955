"""One place that configures logging; everything else asks for a logger by its module name."""

from __future__ import annotations

import logging
import sys
from pathlib import Path

PLAIN = "%(message)s"
FILE = "%(asctime)s %(levelname)-7s %(message)s"
RANKED = "%(asctime)s [rank {rank}] %(levelname)-7s %(message)s"


def configure(verbosity: int = 1, rank: int = 0, file: Path | None = None) -> None:
    """Send the log of this rank to the terminal and to a file.

    Args:
        verbosity: 0 nothing but warnings; 1 rank 0; 2 rank 0 with progress bars; 3 all ranks;
            4 all ranks with progress bars (user manual, "Verbosity").
        rank: rank of this process.
        file: log file of rank 0, appended to.
    """
    shown = verbosity >= 1 and (rank == 0 or verbosity >= 3)
    root = logging.getLogger("hydria")
    root.setLevel(logging.INFO)
    root.propagate = False
    for handler in list(root.handlers):
        root.removeHandler(handler)
        handler.close()
    terminal = logging.StreamHandler(sys.stdout)
    terminal.setLevel(logging.INFO if shown else logging.WARNING if rank == 0 else logging.ERROR)
    terminal.setFormatter(logging.Formatter(PLAIN if rank == 0 else RANKED.format(rank=rank)))
    root.addHandler(terminal)
    if file is not None and rank == 0:
        file.parent.mkdir(parents=True, exist_ok=True)
        to_file = logging.FileHandler(file, encoding="utf-8")
        to_file.setFormatter(logging.Formatter(FILE))
        root.addHandler(to_file)
