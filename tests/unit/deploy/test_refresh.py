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
        Live("batch", nodes=(None, 384), walltime_s=(None, 172800), kind="partition"),
        Live("gpu", nodes=(None, 9), walltime_s=(None, 172800), kind="partition"),
    )


def test_first_output_that_sets_a_limit_counts() -> None:
    both = merge(map(read_output, [partition("batch", time="UNLIMITED", most="7"), SINFO]))
    assert both["partition", "batch"].walltime_s == (None, 172800)
    assert both["partition", "batch"].nodes == (1, 7)


@pytest.mark.parametrize(
    ("text", "seconds"), [("30", 30), ("30:00", 1800), ("1-6", 108000), ("2-00:30", 174600)]
)
def test_walltimes_are_read_as_slurm_writes_them(text: str, seconds: int) -> None:
    (live,) = read_output(partition("batch", time=text))
    assert live.walltime_s == (None, seconds)


QOS = """\
Name|Priority|Flags|GrpTRES|MaxTRES|MaxWall|MaxTRESPU|MaxJobsPU|MaxSubmitPU|MinTRES
normal|0|||||||||
gpu_debug|69119|DenyOnLimit||node=8|00:30:00||2|5|
gpu_regular|67679|DenyOnLimit||cpu=100,node=1536|2-00:00:00|||5000|
"""
# As sacctmgr prints it unasked: cut off at the width of each column.
QOS_TABLE = """\
      Name   Priority       MaxTRES     MaxWall       MinTRES
---------- ---------- ------------- ----------- -------------
    normal          0
 boost_dbg          0      node=256  1-00:00:00       node=64
      long          0  cpu=100,nod+
"""
FLUX_QUEUES = """\
   QUEUE EN ST TDEFAULT   TLIMIT     NNODES     NCORES      NGPUS
 pbatch*  ✔  ✔      30m       1d      1-512      0-inf      0-inf
  pdebug  ✔  ✔      15m     1.5h       0-20      0-inf      0-inf
    pall  ✗  ✔      15m      inf      0-inf      0-inf      0-inf
"""
FLUX_RESOURCES = """\
     STATE QUEUE      NNODES NCORES  NGPUS NODELIST
      free pdebug          8    768     32 tuolumne[1001-1008]
 allocated pdebug          8    768     32 tuolumne[1009-1016]
      down pbatch          2    192      8 tuolumne[1100-1101]
"""


def test_limits_of_a_qos_are_read() -> None:
    assert stale("perlmutter", QOS) == [
        "queue gpu_regular: nodes, at most: the file says 1792, the machine 1536"
    ]
    changed = QOS.replace("node=8|00:30:00", "node=8|01:00:00")
    assert "queue gpu_debug: walltime, at most: the file says 00:30:00, the machine 01:00:00" in (
        stale("perlmutter", changed)
    )


def test_jobs_of_one_person_are_compared_where_the_file_tells_them() -> None:
    text = "Name|MaxWall|MaxTRES|MaxJobsPU|MaxSubmitPU\ndebug|02:00:00||1|2\n"
    assert stale("frontier", text) == [
        "queue debug: jobs of one person: the file says 1, the machine 2"
    ]


def test_unknown_limits_are_told_by_the_machine() -> None:
    parsable = "Name|MaxWall|MaxTRES|MinTRES\nboost_qos_dbg|00:30:00|node=2|\n"
    assert stale("leonardo", parsable) == [
        "queue boost_qos_bprod: in the file, the machine does not name it",
        "queue boost_qos_lprod: in the file, the machine does not name it",
        "queue boost_qos_dbg: nodes, at most: the file says unknown, the machine 2",
        "queue boost_qos_dbg: walltime, at most: the file says unknown, the machine 00:30:00",
    ]


def test_table_of_qos_is_read_by_its_columns() -> None:
    found = {live.name: live for live in read_output(QOS_TABLE)}
    assert found["boost_dbg"].nodes == (64, 256)
    assert found["boost_dbg"].walltime_s == (None, 86400)
    assert found["normal"].nodes == found["long"].nodes == (None, None)


def test_names_that_are_cut_off_are_not_guessed() -> None:
    with pytest.raises(ValueError, match="Hint: sacctmgr --parsable2 show qos"):
        read_output(QOS_TABLE.replace(" boost_dbg", " boost_qo+"))


def test_qos_of_a_partition_lowers_its_limits() -> None:
    text = partition("batch").replace("QoS=N/A", "QoS=small")
    qos = "Name|MaxWall|MaxTRES\nsmall|06:00:00|node=100\n"
    both = merge(map(read_output, [text, qos]))
    assert both["partition", "batch"].nodes == (1, 100)
    assert both["partition", "batch"].walltime_s == (None, 21600)


def test_queues_of_flux_are_read() -> None:
    assert stale("tuolumne", FLUX_QUEUES) == [
        "queue pbatch: nodes, at most: the file says 520, the machine 512",
        "queue pdebug: walltime, at most: the file says 01:00:00, the machine 01:30:00",
    ]
    assert stale("tuolumne", FLUX_RESOURCES) == [
        "queue pbatch: nodes, at most: the file says 520, the machine 2",
        "queue pdebug: nodes, at most: the file says 20, the machine 16",
    ]
    assert stale("tuolumne", FLUX_QUEUES, FLUX_RESOURCES)[0].endswith("the machine 512")


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


def test_machine_that_does_not_answer_is_not_taken_for_one_that_agrees(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "qstat").write_text("#!/bin/bash\necho cannot connect >&2\nexit 1\n")
    (tmp_path / "qstat").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    with pytest.raises(HydriaError, match="qstat -Qf: exit code 1: cannot connect"):
        run(["site", "refresh", "polaris"])


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (
            ["vista", "--from", "/etc/hostname"],
            "expected the output of one of: scontrol show partition, sinfo, ",
        ),
        (["local"], "expected commands on this machine, got none"),
    ],
)
def test_what_cannot_be_read_is_told(words: list[str], message: str) -> None:
    with pytest.raises(HydriaError, match=message):
        run(["site", "refresh", *words])
