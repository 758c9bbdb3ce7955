"""Scripts expect to see what they ask for, although a library only logs."""

from __future__ import annotations

import logging

from hydria.core import log
from hydria.runtime import collectives


def show(logger: logging.Logger, text: str, verbosity: int = 1) -> None:
    """Log `text`, on the terminal too when nobody has configured logging.

    Args:
        logger: of the calling module.
        text: one or more lines.
        verbosity: 0 nothing; 1 and 2 rank 0; 3 and 4 all ranks (user manual, "Verbosity").
    """
    rank = collectives.rank()
    if verbosity < 1 or (rank != 0 and verbosity < 3):
        return
    if not logging.getLogger("hydria").handlers:
        log.configure(verbosity, rank)
    for line in text.splitlines():
        logger.info("%s", line)
