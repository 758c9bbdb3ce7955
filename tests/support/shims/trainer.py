"""`hydria` on a pretended machine: notes what a rank sees, then is the real one, on the CPU.

The trainer runs on this machine; `hydria doctor` looks at the pretended one.
"""

from __future__ import annotations

import json
import os
import socket
import sys
from pathlib import Path

from tests.support.shims.warm import ask

SEEN = (
    "SLURM_PROCID", "SLURM_LOCALID", "PMI_RANK", "PMI_LOCAL_RANK", "OMPI_COMM_WORLD_RANK",
    "FLUX_TASK_RANK", "FLUX_TASK_LOCAL_ID", "LOCAL_RANK", "SHIMS_OWN_GPU", "CUDA_VISIBLE_DEVICES",
    "ROCR_VISIBLE_DEVICES", "MASTER_ADDR", "MASTER_PORT", "OMP_NUM_THREADS", "HYDRIA_DATA",
)  # fmt: skip
# What only the pretended machine has.
NOT_HERE = ("GLOO_SOCKET_IFNAME", "CUDA_VISIBLE_DEVICES", "ROCR_VISIBLE_DEVICES")


def main() -> int:
    words = sys.argv[1:]
    note = {"words": words, **{name: os.environ[name] for name in SEEN if name in os.environ}}
    with Path(os.environ["SHIMS"], "hydria.jsonl").open("a") as file:
        file.write(json.dumps(note) + "\n")
    os.environ["HYDRIA_DEVICE"] = "cpu"
    if words[:1] == ["doctor"]:
        os.environ.setdefault("SHIMS_HOST", socket.gethostname())
    else:
        for name in NOT_HERE:
            os.environ.pop(name, None)
        if "MASTER_ADDR" in os.environ:
            os.environ["MASTER_ADDR"] = "127.0.0.1"
        os.environ |= {"OMP_NUM_THREADS": "1", "HYDRAGNN_NUM_WORKERS": "0"}
    return ask(os.environ["SHIMS_WARM"], words)


if __name__ == "__main__":
    sys.exit(main())
