"""Acceptance 14: captured text of a machine's own commands shows what is stale in a site file."""

from __future__ import annotations

from pathlib import Path

import pytest

from hydria.cli.main import run
from hydria.core.assets import asset_dir
from hydria.core.errors import HydriaError
from hydria.deploy.refresh import Live, compare, merge, read_output
from hydria.deploy.sites import load_site

PARTITION = """\
PartitionName={name}
   AllowGroups=ALL AllowAccounts=ALL AllowQos=ALL
   AllocNodes=ALL Default=YES QoS=N/A
   DefaultTime=01:00:00 DisableRootJobs=NO ExclusiveUser=NO GraceTime=0 Hidden={hidden}
   MaxNodes={most} MaxTime={time} MinNodes=1 LLN=NO MaxCPUsPerNode=UNLIMITED
   Nodes=frontier[00001-10000]
   State={state} TotalCPUs=1261568 TotalNodes={total} SelectTypeParameters=NONE
"""
QUEUE = """\
Queue: {name}
    queue_type = {kind}
    total_jobs = 12
    state_count = Transit:0 Queued:10 Held:0 Waiting:0 Running:2 Exiting:0 Begun:0
    resources_max.nodect = {most}
    resources_max.walltime = {time}
    resources_min.nodect = {least}
    resources_min.walltime = 00:05:00
    enabled = {enabled}
    started = True
"""
SINFO = """\
PARTITION AVAIL  TIMELIMIT  NODES  STATE NODELIST
batch*       up 2-00:00:00    300  alloc andes[1-300]
batch*       up 2-00:00:00     84   idle andes[301-384]
gpu          up 2-00:00:00      9   idle andes-gpu[1-9]
"""


def partition(name: str, **change: str) -> str:
    fields = {"hidden": "NO", "most": "9472", "time": "12:00:00", "state": "UP", "total": "9472"}
    return PARTITION.format(name=name, **fields | change)


def queue(name: str, least: int, most: int, time: str, **change: str) -> str:
    fields = {"kind": "Execution", "enabled": "True"} | change
    return QUEUE.format(name=name, least=least, most=most, time=time, **fields)


POLARIS = "\n".join(
    [
        queue("debug", 1, 2, "01:00:00"),
        queue("debug-scaling", 1, 10, "01:00:00"),
        "Queue: prod\n    queue_type = Route\n    enabled = True\n    started = True\n",
        queue("small", 10, 24, "03:00:00"),
        queue("medium", 25, 99, "06:00:00"),
        queue("large", 100, 496, "24:00:00"),
        queue("capacity", 1, 4, "168:00:00"),
        queue("preemptable", 1, 10, "72:00:00"),
    ]
)


def stale(site: str, *texts: str) -> list[str]:
    return list(compare(load_site(site).site, merge(map(read_output, texts))))


def test_machine_that_is_as_described_shows_nothing() -> None:
    told = "\n".join([partition("batch"), partition("extended", most="64", time="1-00:00:00")])
    assert stale("frontier", told) == []
    assert stale("polaris", POLARIS) == []


def test_acceptance_14_every_change_of_the_machine_is_told() -> None:
    told = "\n".join(
        [
            partition("batch", time="08:00:00", most="UNLIMITED", total="9408"),
            partition("service", hidden="YES"),
            partition("ml", time="1-12:30:00", most="16"),
        ]
    )
    assert stale("frontier", told) == [
        "queue batch: nodes, at most: the file says 9472, the machine 9408",
        "queue batch: walltime, at most: the file says 12:00:00, the machine 08:00:00",
        "queue extended: in the file, the machine does not name it",
        "queue ml: on the machine (up to 16 nodes, up to 36:30:00), not in the file",
    ]


def test_acceptance_14_for_pbs() -> None:
    changed = POLARIS.replace("nodect = 24", "nodect = 32").replace("03:00:00", "06:00:00")
    changed = changed.replace("resources_max.walltime = 72:00:00\n", "")
    changed += queue("ai", 1, 8, "12:00:00") + queue("old", 1, 8, "12:00:00", enabled="False")
    assert stale("polaris", changed) == [
        "queue small: nodes, at most: the file says 24, the machine 32",
        "queue small: walltime, at most: the file says 03:00:00, the machine 06:00:00",
        "queue ai: on the machine (up to 8 nodes, up to 12:00:00), not in the file",
    ]


def test_closed_queue_is_told() -> None:
    assert stale("polaris", POLARIS.replace("enabled = True", "enabled = False", 1)) == [
        "queue debug: the machine has it closed"
    ]


def test_sinfo_counts_nodes_of_all_states() -> None:
    assert read_output(SINFO) == (
        Live("batch", nodes=(None, 384), walltime_s=(None, 172800)),
        Live("gpu", nodes=(None, 9), walltime_s=(None, 172800)),
    )


def test_first_output_that_sets_a_limit_counts() -> None:
    both = merge(map(read_output, [partition("batch", time="UNLIMITED", most="7"), SINFO]))
    assert both["batch"].walltime_s == (None, 172800)
    assert both["batch"].nodes == (1, 7)


@pytest.mark.parametrize(
    ("text", "seconds"), [("30", 30), ("30:00", 1800), ("1-6", 108000), ("2-00:30", 174600)]
)
def test_walltimes_are_read_as_slurm_writes_them(text: str, seconds: int) -> None:
    (live,) = read_output(partition("batch", time=text))
    assert live.walltime_s == (None, seconds)


def test_command_reads_files_and_changes_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file, captured = asset_dir("site") / "frontier.yaml", tmp_path / "captured"
    before = file.read_bytes()
    captured.write_text(partition("batch", time="08:00:00"))
    with pytest.raises(SystemExit) as done:
        run(["site", "refresh", "frontier", "--from", str(captured)])
    assert done.value.code == 2
    assert "the file says 12:00:00, the machine 08:00:00" in capsys.readouterr().out
    assert file.read_bytes() == before


def test_command_asks_the_machine_it_runs_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "answer").write_text(POLARIS)
    (tmp_path / "qstat").write_text(f'#!/bin/bash\n[ "$*" = -Qf ] && cat {tmp_path}/answer\n')
    (tmp_path / "qstat").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    with pytest.raises(SystemExit) as done:
        run(["site", "refresh", "polaris"])
    assert done.value.code == 0
    assert "its queues are as the file says" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["vista", "--from", "/etc/hostname"], "expected the output of scontrol show partition"),
        (["local"], "expected commands on this machine, got none"),
    ],
)
def test_what_cannot_be_read_is_told(words: list[str], message: str) -> None:
    with pytest.raises(HydriaError, match=message):
        run(["site", "refresh", *words])
