"""`python -m hydria.runtime.agent N ARGUMENTS…`: torchrun's agent for N ranks of `hydria`.

torchrun itself prints a report with tracebacks whenever a rank exits with something else than 0;
here the ranks have said already what there is to say.
"""

from __future__ import annotations

import logging
import sys
from uuid import uuid4

from torch.distributed.elastic.multiprocessing import SignalException
from torch.distributed.elastic.multiprocessing.errors import ChildFailedError
from torch.distributed.launcher.api import LaunchConfig, elastic_launch


def main(arguments: list[str]) -> int:
    """Start the ranks and wait; 0 when all of them exit with 0."""
    count, *rest = arguments
    logging.getLogger("torch.distributed.elastic").setLevel(logging.CRITICAL)
    config = LaunchConfig(
        min_nodes=1,
        max_nodes=1,
        nproc_per_node=int(count),
        run_id=str(uuid4()),
        rdzv_backend="c10d",
        rdzv_endpoint="127.0.0.1:0",
        local_addr="127.0.0.1",
        max_restarts=0,
        monitor_interval=0.1,
    )
    try:
        elastic_launch(config, sys.executable)("-m", "hydria", *rest)
    except (ChildFailedError, SignalException):
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
