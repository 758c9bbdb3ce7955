"""Every site with both bundled configs, on one node and on several, as plain text.

`make golden` writes the texts anew. What they must mean stands below, from the facilities' own
tables, and cannot be written anew.
"""

from __future__ import annotations

import re
import subprocess
import sys
import time
from functools import cache
from pathlib import Path

import pytest

from hydria.config import bundled_configs
from hydria.deploy.sites import site_names
from tests.support.binding import bound_ranks
from tests.support.jobs import exports_of, step_of
from tests.support.site_jobs import CONFIGS, MACHINES, Ask, Outcome, asks, outcome_of

GOLDEN = Path(__file__).parent
ASKS = {ask.name: ask for ask in asks()}
SCRIPTS = [name for name, ask in ASKS.items() if not ask.refused]
# generous: a shared machine may be several times slower than one's own
SECONDS_FOR_ALL = 20.0

# OLCF's table: rank of a node → cores → GPU, for `srun -c7 --gpu-bind=closest` and `-S 8`.
FRONTIER = [
    ("1-7", 4), ("9-15", 5), ("17-23", 2), ("25-31", 3),
    ("33-39", 6), ("41-47", 7), ("49-55", 0), ("57-63", 1),
]  # fmt: skip
# LUMI's: the same nodes, and rank i takes GPU i.
LUMI = sorted(FRONTIER, key=lambda row: row[1])
LUMI_MASKS = "fe000000000000,fe00000000000000,fe0000,fe000000,fe,fe00,fe00000000,fe0000000000"
PERLMUTTER = [("0-15", 3), ("16-31", 2), ("32-47", 1), ("48-63", 0)]
POLARIS = [("0-7", 3), ("8-15", 2), ("16-23", 1), ("24-31", 0)]
AURORA = "4-7:8-11:12-15:16-19:20-23:24-27:56-59:60-63:64-67:68-71:72-75:76-79"
AURORA_8 = "1-8:9-16:17-24:25-32:33-40:41-48:53-60:61-68:69-76:77-84:85-92:93-100"
MAPS = {
    "frontier": FRONTIER,
    "lumi": LUMI,
    "perlmutter": PERLMUTTER,
    "polaris": POLARIS,
    "aurora": [(cores, tile) for tile, cores in enumerate(AURORA.split(":"))],
}


@cache
def outcome(name: str) -> Outcome:
    return outcome_of(ASKS[name])


def file_of(name: str) -> Path:
    return GOLDEN / f"{name}.{outcome(name).extension}"


def scripts_of(site: str) -> list[str]:
    """Scripts of the bundled configs with all GPUs and the usual cores."""
    return [
        name
        for name in SCRIPTS
        if name.startswith(f"{site}/") and not name.endswith(("-8-cores", "-no-account"))
    ]


@pytest.mark.parametrize("name", ASKS)
def test_text_is_the_golden_one(name: str, pytestconfig: pytest.Config) -> None:
    file, text = file_of(name), outcome(name).text
    if pytestconfig.getoption("--update-golden"):
        file.parent.mkdir(exist_ok=True)
        file.write_text(text)
    assert text == file.read_text()


@pytest.mark.parametrize("name", ASKS)
def test_is_refused_or_not_as_meant(name: str) -> None:
    assert bool(outcome(name).errors) is ASKS[name].refused, outcome(name).errors


def test_no_golden_file_is_left_over() -> None:
    found = {file for site in MACHINES for file in (GOLDEN / site).iterdir()}
    assert found == {file_of(name) for name in ASKS}


def test_every_site_has_both_configs_on_one_node_and_on_several() -> None:
    assert set(MACHINES) == set(site_names())
    for site, machine in MACHINES.items():
        for config in CONFIGS:
            for label in ("1-node", f"{machine.many}-nodes"):
                assert {f"{site}/{config}-{label}", f"{site}/{config}-{label}-assumed"} & set(ASKS)


@pytest.mark.parametrize("site", MACHINES)
def test_scripts_pass_bash_and_shellcheck(site: str) -> None:
    files = [file_of(name) for name in SCRIPTS if name.startswith(f"{site}/")]
    for file in files:
        subprocess.run(["bash", "-n", file], check=True, timeout=20)
    shellcheck = Path(sys.executable).with_name("shellcheck")
    words = [shellcheck, "--shell=bash", "--severity=warning", *files]
    run = subprocess.run(words, capture_output=True, text=True, timeout=120, check=False)
    assert run.returncode == 0, run.stdout


@pytest.mark.parametrize("name", SCRIPTS)
def test_script_ends_with_a_newline_and_holds_no_date_user_or_checkout(name: str) -> None:
    text = outcome(name).text
    assert text.endswith("\n")
    assert not text.endswith("\n\n")
    assert outcome_of(ASKS[name]).text == text
    assert str(GOLDEN.parents[1]) not in text
    assert str(Path.home()) not in text


def test_all_scripts_render_quickly() -> None:
    start = time.perf_counter()
    count = sum(bool(outcome_of(ask).script) for ask in ASKS.values())
    assert count >= 40
    assert time.perf_counter() - start < SECONDS_FOR_ALL


@pytest.mark.parametrize("site", MAPS)
def test_ranks_have_the_cores_and_gpus_of_the_facility_s_table(site: str) -> None:
    names = scripts_of(site)
    assert len(names) >= 4
    for name in names:
        assert bound_ranks(outcome(name).script, site) == MAPS[site], name


def test_lumi_binds_by_the_masks_of_its_guide() -> None:
    for name in scripts_of("lumi"):
        words = step_of(outcome(name).script)
        assert f"--cpu-bind=mask_cpu:{LUMI_MASKS}" in words
        assert not any("gpus-per-task" in word or "gpu-bind" in word for word in words)


@pytest.mark.parametrize(
    ("name", "cores"),
    [("lsms-1-node", AURORA), ("lsms-256-nodes", AURORA), ("lsms-1-node-8-cores", AURORA_8)],
)
def test_aurora_binds_by_the_lists_of_its_guide(name: str, cores: str) -> None:
    script = outcome(f"aurora/{name}").script
    assert f"--cpu-bind=list:{cores}" in step_of(script)
    assert exports_of(script)["ZE_FLAT_DEVICE_HIERARCHY"] == "FLAT"
    assert "gpu_tile_compact" not in script


@pytest.mark.parametrize("site", ["perlmutter", "polaris"])
def test_ranks_see_one_gpu_without_a_cgroup_around_it(site: str) -> None:
    for name in scripts_of(site):
        words = " ".join(step_of(outcome(name).script))
        assert "gpus=(3 2 1 0)" in words
        assert "--gpus-per-task" not in words
        assert "--gpu-bind=none" in words or site == "polaris"


def test_vista_is_asked_for_nothing_that_it_rejects() -> None:
    for name in scripts_of("vista"):
        said = directives(outcome(name).script)
        assert not any(
            line.startswith(("--gres", "--gpus", "--mem", "--export", "--nodelist"))
            for line in said
        )
        assert {"--ntasks-per-node=1", "--partition=gh"} < set(said)
        assert step_of(outcome(name).script)[0] == "ibrun"
        assert "$" not in "".join(said)


def directives(script: str) -> list[str]:
    starts = ("#SBATCH ", "#PBS ", "# flux: ")
    return [
        line.removeprefix(start)
        for line in script.splitlines()
        for start in starts
        if line.startswith(start)
    ]


@pytest.mark.parametrize("site", ["aurora", "polaris"])
def test_alcf_gets_what_qsub_requires(site: str) -> None:
    chunk = "" if site == "aurora" else ":system=polaris"
    home = "home:flare" if site == "aurora" else "home:eagle"
    for name in scripts_of(site):
        said, nodes = directives(outcome(name).script), ASKS[name].flags.get("nodes", 1)
        assert f"-l select={nodes}{chunk}" in said
        assert {f"-l filesystems={home}", "-l place=scatter", "-k doe", "-A abc123"} < set(said)
        assert sum(line.startswith("-q ") for line in said) == 1


def test_tuolumne_uses_one_sentinel_and_no_slots() -> None:
    for name in scripts_of("tuolumne"):
        script = outcome(name).script
        said = directives(script)
        assert {"--exclusive", "--queue=pbatch", "--setattr=bank=abc123"} < set(said)
        assert not any(line.startswith(("-n", "--nslots", "--gpus-per-task")) for line in said)
        assert "NCCL_NET" not in exports_of(script)  # without the plugin it crashes RCCL
        words = step_of(script)
        assert words[:3] == ["flux", "run", "--exclusive"]
        assert "--tasks-per-node=4" in words


@pytest.mark.parametrize("site", ["frontier", "juwels-booster", "generic-slurm"])
def test_step_repeats_the_cores_that_srun_does_not_inherit(site: str) -> None:
    cores = {"frontier": "-c7", "juwels-booster": "-c12", "generic-slurm": "-c8"}[site]
    for name in scripts_of(site):
        assert cores in step_of(outcome(name).script)


def test_queue_of_one_s_own_is_named_and_none_is_made_up() -> None:
    for name in scripts_of("generic-pbs"):
        assert "-q gpu" in directives(outcome(name).script)
    for name in scripts_of("generic-slurm"):
        assert "--partition=gpu" in directives(outcome(name).script)
    for name in scripts_of("aws-parallelcluster"):
        assert not any(line.startswith("--partition") for line in directives(outcome(name).script))


def test_perlmutter_names_qos_and_gpu_nodes() -> None:
    for name in scripts_of("perlmutter"):
        assert {"--qos=regular", "--constraint=gpu"} < set(directives(outcome(name).script))


@pytest.mark.parametrize("name", SCRIPTS)
def test_what_is_assumed_stands_in_the_header(name: str) -> None:
    header = outcome(name).script.split("\n\nset -euo")[0]
    for pair in ASKS[name].assume:
        path, _, value = pair.partition("=")
        assert f"ASSUMED   {path} = {value!r}" in header
    assert ("ASSUMED" in header) is bool(ASKS[name].assume or ASKS[name].accept_unverified)


# Cores that a rank can count on; two sites know nothing of their cores.
CORES_OF_A_RANK = {
    "andes": 4, "aurora": 4, "frontier": 7, "generic-pbs": 8, "generic-slurm": 8,
    "juwels-booster": 12, "leonardo": 8, "lumi": 7, "perlmutter": 16, "polaris": 8,
    "tuolumne": 21, "vista": 72,
}  # fmt: skip


@pytest.mark.parametrize("site", CORES_OF_A_RANK)
def test_threads_and_workers_fit_into_the_cores_of_a_rank(site: str) -> None:
    for name in scripts_of(site):
        env = exports_of(outcome(name).script)
        used = int(env["OMP_NUM_THREADS"]) + int(env["HYDRAGNN_NUM_WORKERS"])
        assert 1 <= used <= CORES_OF_A_RANK[site], name


def test_frontier_uses_ofi_between_nodes_only() -> None:
    one, many = outcome("frontier/lsms-1-node").script, outcome("frontier/lsms-16-nodes").script
    assert exports_of(one)["NCCL_NET"] == "Socket"
    assert exports_of(many)["NCCL_NET"] == "OFI"
    directive = "--network=disable_rdzv_get"
    assert directive not in directives(one)
    assert directive in directives(many)
    assert exports_of(many)["FI_CXI_RDZV_PROTO"] == "alt_read"
    assert "FI_CXI_RDZV_PROTO" not in exports_of(one)
    assert "module load rccl-net-plugin" in many


@pytest.mark.parametrize(("name", "nodes"), [("lsms-1-node", 1), ("lsms-16-nodes", 16)])
def test_frontier_step_is_that_of_the_guide(name: str, nodes: int) -> None:
    words = step_of(outcome(f"frontier/{name}").script)
    assert words[:4] == ["srun", f"-N{nodes}", f"-n{8 * nodes}", "-c7"]
    assert {"--gpus-per-task=1", "--gpu-bind=closest"} < set(words)
    assert words[words.index("hydria") :][:2] == ["hydria", "train"]


def test_frontier_header_has_the_table_of_the_guide() -> None:
    rows = re.findall(
        r"^# +(\d) -> (\S+) +-> (\d)$", outcome("frontier/lsms-1-node").script, re.MULTILINE
    )
    assert [(int(rank), cores, int(gpu)) for rank, cores, gpu in rows] == [
        (rank, cores, gpu) for rank, (cores, gpu) in enumerate(FRONTIER)
    ]


def test_script_without_account_says_how_to_add_it() -> None:
    without = outcome("frontier/lsms-1-node-no-account").script
    assert not any(line.startswith("--account") for line in directives(without))
    assert "# submit    sbatch -A YOUR_PROJECT lsms.slurm" in without
    assert "--account=abc123" in directives(outcome("frontier/lsms-1-node").script)
    assert "--mail-user=me@ornl.gov" in directives(without)


def test_frontier_keeps_runs_and_data_on_scratch() -> None:
    text = outcome("frontier/lsms-1-node").script
    assert 'run_dir="/lustre/orion/${account}/scratch/${USER}/hydria/runs/lsms"' in text
    assert 'data_root="/lustre/orion/${account}/scratch/${USER}/hydria/data"' in text


@pytest.mark.parametrize("name", SCRIPTS)
def test_data_is_prepared_once_before_the_ranks(name: str) -> None:
    text = outcome(name).script
    assert text.count("hydria prepare") == 1
    assert text.index("hydria prepare") < text.index("hydria train")
    prepare = re.search(r"^prepare\(\) \{\n(.*)\n\}", text, re.MULTILINE)
    assert prepare is not None
    # options of a container have no other place than a step of one rank
    assert not re.search(
        r"torchrun|mpiexec|ibrun|flux run|srun (?!-N1 -n1 --container)", prepare[1]
    )


def test_container_goes_inside_srun_and_outside_torchrun() -> None:
    frontier = step_of(outcome("frontier/lsms-16-nodes-image").script)
    assert frontier.index("srun") < frontier.index("apptainer") < frontier.index("hydria")
    assert "--rocm" in frontier
    katana = step_of(outcome("katana/lsms-image").script)
    assert katana.index("apptainer") < katana.index("torchrun") < katana.index("hydria")
    assert "--nv" in katana
    assert "--no-python" in katana


def test_katana_asks_for_one_chunk_and_binds_nothing() -> None:
    text = outcome("katana/lsms-image").script
    assert "-l select=1:ncpus=12:ngpus=2:mem=64gb:gpu_model=A100" in directives(text)
    assert "bind" not in " ".join(step_of(text)).replace("--bind", "")
    assert "# Its core and GPU numbering is not sourced either: nothing is bound to cores." in text
    assert "one node, and torchrun starts the ranks" in text


def test_one_local_rank_needs_no_launcher() -> None:
    assert step_of(outcome("local/lsms-1-node").script)[:2] == ["hydria", "train"]
    assert "--nproc-per-node=2" in step_of(outcome("local/lsms-2-ranks").script)


def test_what_a_person_typed_is_quoted() -> None:
    assert exports_of(outcome("local/lsms-2-ranks").script)["FOO"] == 'a "b" $c'
    assert """image='/srv/scratch/me/it'"'"'s.sif'""" in outcome("katana/lsms-image").script


def test_aurora_gets_its_larger_set_beyond_what_the_minimal_one_is_tested_for() -> None:
    many, more = (exports_of(outcome(f"aurora/lsms-{n}-nodes").script) for n in (256, 2048))
    assert many["CCL_PROCESS_LAUNCHER"] == more["CCL_PROCESS_LAUNCHER"] == "pmix"
    assert {name: more[name] for name in more.keys() - many.keys()} == {
        "CCL_ALLREDUCE": "topo", "CCL_ALLREDUCE_SCALEOUT": "rabenseifner",
        "CCL_KVS_USE_MPI_RANKS": "1", "CCL_OP_SYNC": "1", "FI_CXI_DEFAULT_CQ_SIZE": "1048576",
        "FI_CXI_RX_MATCH_MODE": "hybrid", "PALS_PING_PERIOD": "240", "PALS_RPC_TIMEOUT": "240",
    }  # fmt: skip


def test_tuolumne_is_warned_by_flux() -> None:
    for name in scripts_of("tuolumne"):
        text = outcome(name).script
        assert "--signal=USR1@300s" in directives(text)
        assert "trap on_walltime USR1" in text
        assert "kill -USR1" not in text


@pytest.mark.parametrize("site", ["local", "frontier", "katana"])
@pytest.mark.parametrize("config", sorted(bundled_configs()))
def test_every_config_that_comes_along_renders(site: str, config: str, tmp_path: Path) -> None:
    from hydria.cli.job_options import Asked
    from hydria.cli.job_scripts import write_job

    job = write_job(Asked(site=site, config=config, out=tmp_path / "script"))
    assert f"config=$run_dir/job/{config}.json" in job.file.read_text()


def test_ask_names_are_unique() -> None:
    assert len(list(asks())) == len(ASKS)
    assert all(isinstance(ask, Ask) for ask in ASKS.values())
