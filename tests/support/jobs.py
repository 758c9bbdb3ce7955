"""Plans and scripts for tests: a small config, a site, and what a person asks for."""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from hydria.config import load_config
from hydria.deploy.checks import Finding, judge
from hydria.deploy.plan import Plan
from hydria.deploy.planner import make_plan
from hydria.deploy.render import render
from hydria.deploy.request import gather
from hydria.deploy.sites import load_site
from hydria.deploy.task import TRAIN, Task

NO_USER_FILE = Path("/nonexistent/hydria.yaml")


def small_config() -> dict[str, Any]:
    """A config that is complete and stays as it is, so that golden scripts do too."""
    head = {
        "num_sharedlayers": 1,
        "dim_sharedlayers": 8,
        "num_headlayers": 1,
        "dim_headlayers": [8],
    }
    return {
        "Dataset": {
            "name": "small",
            "format": "LSMS",
            "path": {"total": "raw"},
            "node_features": {"name": ["protons"], "dim": [1], "column_index": [0]},
            "graph_features": {"name": ["energy"], "dim": [1], "column_index": [0]},
        },
        "NeuralNetwork": {
            "Architecture": {
                "mpnn_type": "PNA",
                "radius": 7,
                "hidden_dim": 8,
                "num_conv_layers": 2,
                "output_heads": {"graph": head},
            },
            "Variables_of_interest": {
                "input_node_features": [0],
                "output_names": ["energy"],
                "output_index": [0],
                "type": ["graph"],
            },
            "Training": {"num_epoch": 3},
        },
    }


def plan_for(
    site: str,
    *overrides: str,
    environment: Mapping[str, str] | None = None,
    user_file: Path = NO_USER_FILE,
    job: Mapping[str, Any] | None = None,
    task: Task = TRAIN,
    assume: Sequence[str] = (),
    **flags: Any,
) -> Plan:
    """The plan of the small config on `site`, with flags as on the command line."""
    loaded_site = load_site(site, assume)
    tree = small_config() | ({"Job": dict(job)} if job else {})
    loaded = load_config(tree, overrides)
    request = gather(flags, loaded.config.job, environment or {}, loaded_site.site, user_file)
    return make_plan(loaded_site, loaded, request, task)


def script_for(site: str, **flags: Any) -> str:
    return render(plan_for(site, **flags)).text


def findings_for(site: str, **flags: Any) -> list[Finding]:
    return judge(plan_for(site, **flags))


def errors_for(site: str, **flags: Any) -> list[str]:
    return [str(finding) for finding in findings_for(site, **flags) if finding.level == "E"]


def exports_of(script: str) -> dict[str, str]:
    """`export NAME=value` lines, read with a parser that is not the package's own."""
    found = re.findall(r"^export (\w+)=(.*)$", script, re.MULTILINE)
    return {name: "".join(shlex.split(value)) for name, value in found}


def step_of(script: str) -> list[str]:
    """The words of the line that starts the ranks."""
    match = re.search(r"^launch\(\) \{\n\s+exec (.*)\n\}", script, re.MULTILINE)
    assert match is not None
    return shlex.split(match[1])
