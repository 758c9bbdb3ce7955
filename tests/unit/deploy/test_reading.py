"""Scripts read back: equal to their plan, and faults planted in them are found."""

from __future__ import annotations

import pytest

from hydria.deploy.reading import differences
from hydria.deploy.render import render
from tests.support.jobs import plan_for

FAULTS = {
    "fewer nodes asked for": ("#SBATCH --nodes=2", "#SBATCH --nodes=1", "carried"),
    "longer walltime": ("--time=01:00:00", "--time=03:00:00", "carried"),
    "network directive dropped": ("#SBATCH --network=disable_rdzv_get\n", "", "carried"),
    "a directive after a command": (
        "#SBATCH --signal=B:USR1@300\n\nset -euo pipefail",
        "set -euo pipefail\n#SBATCH --signal=B:USR1@300",
        "carried",
    ),
    "another partition": ("--partition=batch", "--partition=extended", "carried"),
    "fewer ranks": ("-n16", "-n8", "launch"),
    "reserved core used": ("-c7", "-c8", "launch"),
    "GPU binding dropped": (" --gpu-bind=closest", "", "launch"),
    "TCP instead of OFI": ("export NCCL_NET=OFI", "export NCCL_NET=Socket", "env"),
    "variable dropped": ("export FI_MR_CACHE_MONITOR=kdreg2\n", "", "env"),
    "variable of nobody": ("export NCCL_NET=OFI", "export NCCL_NET=OFI\nexport FOO=1", "env"),
    "too many threads": ("OMP_NUM_THREADS=5", "OMP_NUM_THREADS=56", "env"),
    "shared cache": ("-${job_id}-miopen", "-miopen", "env"),
    "plugin not loaded": ("module load rccl-net-plugin ||", "true ||", "modules"),
    "run folder at home": ('run_dir="/lustre', 'run_dir="${HOME}/lustre', "paths"),
    "another config": ('"hidden_dim": 8', '"hidden_dim": 9', "config"),
    "data not prepared": ("exec env http_proxy", "exec true env http_proxy", "prepare"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_planted_fault_is_found(fault: str) -> None:
    old, new, where = FAULTS[fault]
    plan = plan_for("frontier", nodes=2)
    text = render(plan).text
    assert old in text
    found = differences(plan, text.replace(old, new))
    assert any(where in difference for difference in found), found
