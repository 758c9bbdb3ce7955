"""Scripts read back: equal to their plan, and faults planted in them are found."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hydria.core.errors import DeployError
from hydria.deploy.checks import judge, judge_script
from hydria.deploy.reading import differences
from hydria.deploy.render import render
from tests.support.jobs import plan_for

# Words as no one should type them, but somebody will.
WORDS = st.text(st.characters(exclude_categories=("Cs",)), min_size=1, max_size=20)
NAMES = st.sampled_from(["FOO", "OMP_PLACES", "NCCL_DEBUG"]) | WORDS

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


@settings(max_examples=100, deadline=None)
@given(
    site=st.sampled_from(["local", "frontier", "katana"]),
    flags=st.fixed_dictionaries(
        {},
        optional={
            "nodes": st.sampled_from([1, 2, 92, 10000]),
            "gpus": st.integers(0, 9),
            "cpus": st.sampled_from([1, 6, 56, 70]),
            "walltime": st.sampled_from(["30s", "10m", "1h", "12h", "3d"]),
            "account": st.just("abc123") | WORDS,
            "queue": st.sampled_from(["batch", "debug", "extended"]) | WORDS,
            "image": WORDS,
            "venv": WORDS,
            "data": WORDS,
            "run_dir": WORDS,
            "env": st.dictionaries(NAMES, WORDS, max_size=2),
        },
    ),
)
def test_whatever_is_asked_is_refused_or_rendered_and_read_back(
    site: str, flags: dict[str, object]
) -> None:
    try:
        plan = plan_for(site, **flags)
    except DeployError:
        return
    if any(finding.level == "E" for finding in judge(plan)):
        return
    script = render(plan)
    assert [str(finding) for finding in judge_script(plan, script)] == []
    assert render(plan) == script
