"""Every check by its number: what it refuses or points out, and the message that helps.

What a request cannot bring about, such as a launcher's template without its cores, is planted.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from hydria.config.site import Site
from hydria.deploy.checks import CHECKS, Finding, judge, judge_script
from hydria.deploy.checks.directives import peers_visible, step_flags
from hydria.deploy.checks.environment import cache_folders
from hydria.deploy.checks.facts import injections_agree
from hydria.deploy.checks.limits import number_of_jobs, saved_before_end
from hydria.deploy.checks.placement import nearest_gpus, one_memory_domain
from hydria.deploy.checks.script import bash_accepts, directives_are_read, staging_is_tested
from hydria.deploy.checks.storage import staged_parts_fit
from hydria.deploy.plan import Decision, Plan
from hydria.deploy.quoting import literal, template
from hydria.deploy.render import Script, render
from hydria.deploy.task import make_task
from tests.support.jobs import errors_for, plan_for

MINE = {"account": "abc123"}
LSMS = "Dataset.path.total=lsms/raw"  # of the data set that Hydria makes
# number, level (E refuses, W is printed), machine, what is asked, and a part of the message
SAID: list[tuple[int, str, str, dict[str, Any], str]] = [
    (1, "E", "frontier", {"nodes": 16, "walltime": "12h"},
     "nodes=16 for 12:00:00 fits no queue on frontier. Longest allowed at 16 nodes: batch "
     "02:00:00; 12:00:00 needs ≥184 nodes; ≤64 nodes may use 'extended' up to 24:00:00"),
    (1, "E", "frontier", {"nodes": 9473},
     "nodes=9473 for 01:00:00 fits no queue on frontier. batch: "),
    (1, "E", "frontier", {"queue": "debgu"},
     "--queue: expected one of batch, debug, extended, got 'debgu'. Hint: did you mean "
     "'debug'?"),
    (1, "E", "frontier", {"queue": "debug", "nodes": 5},
     "nodes=5 for 01:00:00 does not fit queue 'debug' of frontier. debug: 1-4 nodes, "),
    (1, "E", "katana", {"walltime": "101h"},
     "Longest allowed at 1 node: default 100:00:00"),
    (1, "E", "aurora", {"nodes": 32, "walltime": "2h"},
     "nodes=32 for 02:00:00 fits no queue on aurora. Longest allowed at 32 nodes: "
     "debug-scaling 01:00:00; 02:00:00 needs ≥256 nodes"),
    (1, "E", "andes", {"queue": "gpu"},
     "no job of ours in 'gpu': its GPUs are K80 (sm_37)"),
    (1, "E", "vista", {"queue": "gg"},
     "no job of ours in 'gg': its nodes are others than those of gh"),
    (2, "E", "polaris", {"nodes": 10, "walltime": "24h"},
     "polaris 'prod' would route 10 nodes/24:00:00 nowhere; PBS can drop it without an error. "
     "Allowed: ≤03:00:00"),
    (2, "E", "polaris", {"nodes": 10, "walltime": "24h", "queue": "prod"},
     "≤10 nodes may use 'preemptable' up to 72:00:00"),
    (2, "E", "polaris", {"nodes": 10, "queue": "small"},
     "'small' is an execution queue of polaris, which refuses jobs. Hint: --queue prod hands "
     "them"),
    (3, "E", "frontier", {"walltime": "30s"},
     "expected at least 00:01:00 on frontier, got 00:00:30"),
    (3, "E", "aurora", {"walltime": "4m"},
     "expected at least 00:05:00 on aurora, got 00:04:00"),
    (4, "W", "frontier", {"queue": "debug"},
     "queue debug: is not for production"),
    (5, "W", "frontier", {"queue": "extended"},
     "queue extended: runs 1 job of yours at a time, 2 in all are accepted"),
    (6, "E", "frontier", {"cpus": 64},
     "8 ranks × 8 cores = 64 > 56 usable (cores 0,8,16,24,32,40,48,56 are reserved on "
     "frontier). Hint: use 7 cores per rank, 56 per node"),
    (6, "E", "frontier", {"cpus": 4},
     "--cpus: expected at least one core for each of 8 ranks"),
    (6, "E", "aurora", {"cpus": 60},
     "aurora binds ranks to 4 cores each, got 5. Hint: --cpus 48 or 96"),
    (6, "E", "lumi", {"cpus": 64},
     "8 ranks × 8 cores = 64 > 56 usable"),
    (7, "E", "frontier", {"gpus": 2, "cpus": 56},
     "rank 0 gets cores 1-7,9-15,17-23,25-31, spans NUMA"),
    (7, "E", "lumi", {"gpus": 4},
     "only holds for whole nodes; got 4 of 8 GPUs. Hint: --gpus 8"),
    (7, "W", "frontier", {"cpus": 48},
     "spans 2 L3 regions"),
    (8, "E", "frontier", {"gpus": 9},
     "--gpus: expected at most 8 GPUs per node on frontier, got 9. Hint: --nodes 2 --gpus 8"),
    (8, "E", "katana", {"gpus": 3},
     "--gpus: expected at most 2 GPUs per node on katana"),
    (8, "E", "polaris", {"cpus": 16},
     "ranks 0 and 1 are both nearest to GPU 3"),
    (8, "W", "frontier", {"gpus": 4},
     "4 of the 8 GPUs of a node work"),
    (9, "E", "perlmutter", {"directives": ["--gpus-per-task=1"]},
     "--gpus-per-task hides peers from NCCL on perlmutter. Hint: show each rank its GPU in a "
     "wrapper (gpu_select: mask_wrapper), or allow-task-sharing"),
    (9, "E", "lumi", {"directives": ["--gpu-bind=closest"]},
     "--gpu-bind=closest hides peers from RCCL on lumi"),
    (10, "E", "vista", {"directives": ["--gres=gpu:1"]},
     "vista rejects --gres. Hint: Rank and GPU are 1:1, drop it"),
    (10, "E", "vista", {"directives": ["--export=ALL"]},
     "vista rejects --export"),
    (10, "E", "aurora", {"directives": ["-V"]},
     "aurora rejects -V"),
    (11, "E", "frontier", {"memory": "64G"},
     "--mem: expected no memory request on frontier, got 64G: a node has 512 GB"),
    (11, "E", "katana", {"memory": "300G"},
     "--mem: expected at most 248G per node on katana"),
    (11, "E", "aws-parallelcluster", {"gpus": 8, "run_dir": "/r", "data": "/d", "memory": "64G"},
     "expected no memory request on aws-parallelcluster, got 64G"),
    (11, "E", "lumi", {"directives": ["--mem=64G"]},
     "at most one of --mem, --mem-per-cpu, --mem-per-gpu, got --mem-per-gpu=60G and --mem=64G"),
    (12, "E", "polaris", {"filesystems": "home:grand"},
     "--filesystems: expected file systems of eagle, home, got 'grand' (grand is gone; old"),
    (12, "E", "frontier", {"filesystems": "home"},
     "expected no file systems on frontier"),
    (12, "E", "perlmutter", {"constraint": "cpu"},
     "perlmutter requires --constraint=gpu. Hint: without it the job goes to the CPU variant"),
    (12, "E", "aurora", {"constraint": "gpu"},
     "--constraint: expected none on aurora, got 'gpu'. Hint: its nodes are all alike"),
    (12, "E", "polaris", {"account": None},
     "--account: the folders of a job on polaris lie below the project's"),
    (14, "E", "frontier", {"directives": ["--comment=$HOME"]},
     "variables are not expanded"),
    (15, "E", "vista", {"image": "/x/hydria-x86_64.sif"},
     "the name says x86_64; vista has aarch64. Hint: build the image on a machine with aarch64"),
    (15, "E", "frontier", {"env": {"HYDRIA_DEVICE": "xpu"}},
     "--env HYDRIA_DEVICE: expected cuda for the GPUs of frontier, got 'xpu'"),
    (15, "E", "aurora", {"env": {"HYDRAGNN_BACKEND": "nccl"}},
     "--env HYDRAGNN_BACKEND: expected xccl for the GPUs of aurora, got 'nccl'. Hint: leave "
     "it out"),
    (15, "W", "frontier", {"image": "/x/hydria-cuda.sif"},
     "the name says cuda; frontier needs rocm. Hint: hydria image build rocm"),
    (15, "W", "frontier", {"env": {"HYDRIA_DEVICE": "cpu"}},
     "expected cuda for the GPUs of frontier, got 'cpu'"),
    (17, "E", "aurora", {"nodes": 256, "image": "/x.sif"},
     "container.fabric is unverified on aurora: nodes may not reach each other"),
    (18, "E", "frontier", {"env": {"NCCL_NET": "OFI"}},
     "'OFI' needs a fabric, and a job of one node"),
    (18, "E", "frontier", {"env": {"FI_CXI_RDZV_PROTO": "alt_read"}},
     "alt_read needs the directive --network=disable_rdzv_get"),
    (18, "E", "polaris", {"env": {"NCCL_NET": "AWS Libfabric"}},
     "a job of one node has none"),
    (18, "E", "tuolumne", {"nodes": 2, "env": {"NCCL_NET": "libfabric"}},
     "NCCL_NET: 'libfabric' is a plugin, and ccl.plugin_path is unknown on tuolumne. Hint: "
     "leave it out, or --assume ccl.plugin_path=DIR"),
    (18, "E", "perlmutter", {"env": {"NCCL_NET": "AWS Libfabric"}},
     "'AWS Libfabric' needs a fabric, and a job of one node has none"),
    (18, "W", "tuolumne", {"nodes": 2},
     "RCCL may fall back to TCP"),
    (19, "E", "frontier", {"env": {"MIOPEN_USER_DB": "/tmp/x"}},
     "nothing reads 'MIOPEN_USER_DB'. Hint: did you mean 'MIOPEN_USER_DB_PATH'?"),
    (19, "E", "local", {"env": {"HYDRAGNN_NUM_WORKER": "1"}},
     "did you mean 'HYDRAGNN_NUM_WORKERS'?"),
    (19, "E", "local", {"env": {"A-B": "1"}},
     "expected a variable's name, got 'A-B'"),
    (19, "E", "local", {"env": {"RANK": "1"}},
     "RANK is set by the script and the launcher"),
    (19, "W", "frontier", {"env": {"NCCL_CROSS_NIC": "0"}, "nodes": 2},
     "'0' replaces '1' of site"),
    (19, "W", "local", {"env": {"NCCL_P2P_DISABLE": "1"}},
     "through host memory"),
    (20, "W", "katana", {},
     "site katana: facts older than 180 days: "),
    (20, "W", "lumi", {},
     "facts that sources contradict: 4. Hint: hydria site check lumi lists them"),
    (20, "W", "juwels-booster", {"data": "/d", "run_dir": "/r"},
     "facts without a date: "),
    (21, "E", "katana", {"nodes": 2},
     "--nodes: expected at most 1 node on katana, got 2: how ranks are started on several "
     "nodes there is not sourced"),
    (21, "E", "local", {"nodes": 2},
     "expected at most 1 node on local, got 2: it is one machine"),
    (21, "E", "leonardo", {"nodes": 2},
     "whether a queue of leonardo takes nodes=2 for 01:00:00 is unknown (queues[0].nodes[1]). "
     "Hint: --assume 'queues[0].nodes[1]=N' renders anyway"),
    (21, "E", "generic-slurm", {"gpus": 2},
     "node.cores is unknown on generic-slurm, and the launcher is told them. Hint: --cpus N"),
    (21, "E", "aws-parallelcluster", {"run_dir": "/r", "data": "/d"},
     "--gpus: node.gpus.count is unknown on aws-parallelcluster. Hint: --gpus N, or --assume"),
    (21, "E", "tuolumne", {"image": "/x.sif"},
     "container.runtime is unknown on tuolumne"),
    (22, "E", "frontier", {"env": {"MIOPEN_USER_DB_PATH": "/tmp/17"}},
     "MIOPEN_USER_DB_PATH: expected a folder with $USER and $JOB_ID, got '/tmp/17': "
     "others write there too. Hint: leave it out: site frontier sets it"),
    (22, "E", "tuolumne", {"env": {"MIOPEN_CUSTOM_CACHE_DIR": "/p/lustre5/me"}},
     "others write there too. Hint: leave it out: MIOpen's own default is a folder of yours"),
    (23, "E", "lumi", {"image": "/x.sif", "inject": ["mpi", "ai"]},
     "injections 'ai' and 'mpi' exclude each other on lumi. Hint: ask for one of them"),
    (23, "E", "perlmutter", {"image": "x:1", "inject": ["mpich", "cuda-mpi"]},
     "injections 'mpich' and 'cuda-mpi' exclude each other"),
    (23, "E", "perlmutter", {"image": "x:1", "inject": ["mpi"]},
     "perlmutter has no injection 'mpi'. Hint: it has cfs, cuda-mpi, home, host, mpich"),
    (24, "E", "frontier", {"data": "/mnt/bb/me/data"},
     "--data: /mnt/bb/$USER is there only with --constraint=nvme. Hint: --constraint nvme"),
    (24, "E", "frontier", {"env": {"TMPDIR": "/mnt/bb/me"}},
     "--env TMPDIR: /mnt/bb/$USER is there only with --constraint=nvme"),
    (24, "E", "frontier", {"constraint": "nvme"},
     "constraint nvme: asks for /mnt/bb/$USER, and this job keeps nothing there. Hint: "
     "--stage all uses it"),
    (24, "E", "lumi", {"stage": "all"},
     "--stage: how files get to a disk of the nodes of lumi is not in its file. Hint: --stage "
     "none"),
    (26, "E", "frontier", {"env": {"OMP_NUM_THREADS": "6", "HYDRAGNN_NUM_WORKERS": "4"}},
     "7 cores per rank: 6 threads + 4 workers. Hint: at most 7 together"),
    (26, "W", "katana", {"gpus": 2, "cpus": 2, "memory": "8gb"},
     "1 core per GPU"),
    (26, "W", "frontier",
     {"nodes": 4, "overrides": ["NeuralNetwork.Training.global_batch_size=16"]},
     "ranks: 32 ranks share a global batch of 16: some have no work. Hint: fewer nodes, or "
     "NeuralNetwork.Training.global_batch_size=32"),
    (26, "W", "frontier", {"nodes": 100, "overrides": ["Dataset.name=lsms", LSMS]},
     "800 ranks × batches of 32 = 25600 > 700 samples to train on: one step per epoch, and ranks "
     "without work. Hint: fewer nodes"),
    (27, "E", "frontier", {"walltime": "5m"},
     "more than the 300 s that the checkpoint"),
    (28, "E", "local", {"env": {"FOO": "a\nb"}},
     "--env FOO: expected one line of printable text"),
    (28, "E", "frontier", {"account": "abc 123"},
     "--account: expected letters, digits and a few signs"),
    (28, "E", "frontier", {"account": "abc'"},
     "--account: expected letters, digits and a few signs"),
    (28, "E", "frontier", {"constraint": "nvme;x"},
     "--constraint: expected letters, digits"),
    (28, "E", "katana", {"mail": "me at home"},
     "--mail: expected letters, digits"),
    (28, "E", "local", {"run_dir": "~/x"},
     "--run-dir: expected a path without ~ and $"),
    (28, "E", "katana", {"image": "a.sif", "data": "/a:b"},
     "--data: expected a path without , and :"),
    (28, "E", "frontier", {"directives": ["--time=99:00:00"]},
     "--time is planned already, got '--time=99:00:00' too. Hint: its own option changes it"),
    (28, "E", "andes", {"directives": ["--gres=gpu:1"]},
     "--gres is planned already"),
    (28, "E", "polaris", {"directives": ["-l walltime=1:00:00"]},
     "-l walltime is planned"),
    (28, "E", "tuolumne", {"directives": ["--requires=x"]},
     "--requires is planned already"),
    (29, "W", "frontier", {"account": "<YOUR_PROJECT>"},
     "--account: '<YOUR_PROJECT>' looks like a placeholder. Hint: put your own in its place"),
    (29, "W", "frontier", {"account": "your_project"},
     "'your_project' looks like a placeholder"),
    (29, "W", "katana", {"mail": "<you>"},
     "--mail: '<you>' looks like a placeholder"),
    (29, "W", "katana", {"venv": "/path/to/your/venv"},
     "--venv: '/path/to/your/venv' looks like a placeholder"),
    (29, "W", "katana", {"run_dir": "/srv/scratch/<zid>/run"},
     "--run-dir: '/srv/scratch/<zid>/run' looks like a placeholder"),
]  # fmt: skip
# Those with tests of their own: below, and with the images (16).
PLANTED = {13, 16, 25, 30}


def said(findings: list[Finding], number: int, level: str) -> list[str]:
    return [str(each) for each in findings if (each.number, each.level) == (number, level)]


def name_of(case: tuple[int, str, str, Any, str]) -> str:
    number, level, site, *_ = case
    return f"check-{number:02}-{level}-{site}"


@pytest.mark.parametrize("case", SAID, ids=name_of)
def test_check_says_what_is_wrong_and_what_would_work(
    case: tuple[int, str, str, dict[str, Any], str],
) -> None:
    number, level, site, asked, message = case
    flags = MINE | asked
    found = judge(plan_for(site, *flags.pop("overrides", ()), **flags))
    assert any(message in text for text in said(found, number, level)), list(map(str, found))


def test_every_check_is_tried() -> None:
    assert {number for number, *_ in SAID} | PLANTED == set(range(1, 31))


def test_checks_have_names_of_their_own() -> None:
    assert len({check.__name__ for check in CHECKS}) == len(CHECKS)


@pytest.mark.parametrize("site", ["local", "frontier", "katana"])
def test_plain_request_passes_every_check(site: str) -> None:
    findings = judge(plan_for(site), today=date(2026, 1, 1))
    assert [str(finding) for finding in findings if finding.number != 20] == []


@pytest.mark.parametrize(
    ("nodes", "walltime", "fits"),
    [
        (1, "2h", True), (91, "2h", True), (91, "02:00:01", False),
        (92, "6h", True), (183, "6h", True), (183, "06:00:01", False),
        (184, "12h", True), (1881, "12h", True), (9472, "12h", True), (9472, "12:00:01", False),
        (9473, "1h", False),
    ],
)  # fmt: skip
def test_check_01_limits_of_frontier_are_those_of_the_guide(
    nodes: int, walltime: str, fits: bool
) -> None:
    assert (errors_for("frontier", nodes=nodes, walltime=walltime) == []) is fits


def test_checks_04_and_05_count_the_jobs_that_are_handed_over() -> None:
    debug = plan_for("frontier", queue="debug", **MINE)
    assert [str(each) for each in number_of_jobs(debug, 3, chained=True)] == [
        "queue debug: takes 1 job of yours at a time, got 3. "
        "Hint: the scheduler may refuse the others",
        "queue debug: is not for chains of jobs",
    ]
    batch = plan_for("frontier", **MINE)
    assert [each.number for each in number_of_jobs(batch, 101)] == [5]
    assert list(number_of_jobs(batch, 100, chained=True)) == []


def test_check_07_rank_across_memory_domains_is_refused_once() -> None:
    findings = list(one_memory_domain(plan_for("frontier", gpus=2, cpus=56)))
    assert [finding.number for finding in findings] == [7]


def test_check_08_swapped_gpus_are_named() -> None:
    plan = plan_for("frontier")
    places = list(plan.places)
    places[0], places[1] = replace(places[0], gpu=5), replace(places[1], gpu=4)
    messages = [str(finding) for finding in nearest_gpus(replace(plan, places=tuple(places)))]
    assert messages[0].startswith(
        "GPUs: rank 0 on cores 1-7 uses GPU 5; nearest is GPU 4. Hint: order 4,5,2,3,6,7,0,1"
    )


def test_check_08_ranks_that_share_their_nearest_gpu_are_named() -> None:
    plan = plan_for("frontier", cpus=16)
    assert any("both nearest to GPU 4" in str(finding) for finding in nearest_gpus(plan))


def with_launch(plan: Plan, **changes: object) -> Plan:
    launch = plan.site.launch.model_copy(update=changes)
    site: Site = plan.site.model_copy(update={"launch": launch})
    return replace(plan, site=site)


def test_check_09_task_sharing_and_closest_keep_peers_visible() -> None:
    plan = plan_for("lumi", account="a")
    bound = "srun -n8 --gpu-bind=map:4,5,2,3,6,7,0,1"
    shared = with_launch(plan, gpu_select="scheduler_map_shared")
    assert list(peers_visible(replace(shared, launch=bound)))
    sharing = f"{bound} --gres-flags=allow-task-sharing"
    assert not list(peers_visible(replace(shared, launch=sharing)))
    assert not list(peers_visible(plan_for("frontier")))


@pytest.mark.parametrize(
    ("dropped", "hint"),
    [
        (" -c7", "does not inherit -c from sbatch. Hint: add -c{cores}"),
        (" -n8", "does not inherit -n from sbatch. Hint: add -n{ranks}"),
        (" --gpus-per-task=1 --gpu-bind=closest", "no GPU unless it is told to. Hint: add --gpus"),
    ],
)
def test_check_13_step_says_what_it_does_not_inherit(dropped: str, hint: str) -> None:
    plan = plan_for("frontier", **MINE)
    assert dropped in plan.launch
    assert list(step_flags(plan)) == []
    found = list(step_flags(replace(plan, launch=plan.launch.replace(dropped, ""))))
    assert [(each.number, each.level) for each in found] == [(13, "E")]
    assert hint in str(found[0])


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("\nset -euo pipefail\n", "\nset -euo pipefail\n#SBATCH --exclusive\n",
         "stands after the first command: #SBATCH --exclusive"),
        ("#SBATCH --nodes=1\n", " #SBATCH --nodes=1\n", "hides it: #SBATCH --nodes=1"),
        ("#SBATCH --nodes=1\n", "##SBATCH --nodes=1\n", "hides it: ##SBATCH --nodes=1"),
    ],
)  # fmt: skip
def test_check_14_directive_that_no_scheduler_reads(old: str, new: str, message: str) -> None:
    plan = plan_for("frontier", **MINE)
    script = render(plan)
    assert list(directives_are_read(plan, script)) == []
    assert old in script.text
    found = directives_are_read(plan, Script(script.text.replace(old, new, 1), "slurm"))
    assert [(each.number, message in each.message) for each in found] == [(14, True)]


def test_check_15_script_that_needs_kernels_which_xpu_lacks(tmp_path: Path) -> None:
    script = tmp_path / "mine.py"
    script.write_text("import torch\nfrom torch_scatter import scatter\nimport torch_cluster\n")
    task = make_task(None, str(script), ())
    found = judge(plan_for("aurora", task=task, account="a"))
    assert said(found, 15, "E") == [
        "--script: torch_cluster, torch_scatter: no kernels for the GPUs of aurora. "
        "Hint: torch_geometric works without it"
    ]
    assert said(judge(plan_for("polaris", task=task, account="a")), 15, "E") == []


def test_check_15_looks_into_the_modules_beside_a_script(tmp_path: Path) -> None:
    (tmp_path / "model").mkdir()
    (tmp_path / "model/__init__.py").write_text("from .layers import Layer\n")
    (tmp_path / "layers.py").write_text("import torch_sparse\nimport mine\n")
    script = tmp_path / "mine.py"
    script.write_text("import model\n")
    found = judge(plan_for("aurora", task=make_task(None, str(script), ()), account="a"))
    assert said(found, 15, "E") == [
        "--script, layers.py: torch_sparse: no kernels for the GPUs of aurora. "
        "Hint: torch_geometric works without it"
    ]


def test_check_20_old_facts_count_from_the_day_of_the_job() -> None:
    plan = plan_for("frontier")
    assert said(judge(plan, date(2026, 11, 20)), 20, "W") == [
        "site frontier: facts that sources contradict: 3. Hint: hydria site check frontier lists "
        "them"
    ]
    assert "facts older than 180 days" in said(judge(plan, date(2027, 11, 20)), 20, "W")[0]


@pytest.mark.parametrize(
    ("path", "made", "message"),
    [
        ("/tmp/$USER-$JOB_ID", False, "expected a folder that the job makes"),
        ("$SCRATCH/$USER-$JOB_ID", True, "expected a folder on the node"),
        (
            "/tmp/$JOB_ID",
            True,
            "with $USER and $JOB_ID, got '/tmp/$JOB_ID': others write there too",
        ),
        ("/tmp/$USER-$JOB_ID", True, None),
        ("/mnt/bb/$USER/$JOB_ID", True, None),
    ],
)
def test_check_22_cache_of_a_site_file(path: str, made: bool, message: str | None) -> None:
    plan = plan_for("frontier")
    env = [
        replace(entry, value=template(path), directory=made)
        for entry in plan.env
        if entry.name == "MIOPEN_USER_DB_PATH"
    ]
    found = list(cache_folders(replace(plan, env=tuple(env))))
    assert [(each.number, each.level) for each in found] == ([(22, "E")] if message else [])
    assert message is None or message in str(found[0])


def test_check_23_injections_are_asked_for_by_name() -> None:
    usual = plan_for("perlmutter", account="a", image="x:1")
    more = plan_for("perlmutter", account="a", image="x:1", inject=["scratch"])
    assert set(more.injections) - set(usual.injections) == {"scratch"}
    assert not list(injections_agree(more))


def test_check_23_what_is_asked_for_replaces_what_it_cannot_be_beside() -> None:
    usual = plan_for("lumi", account="a", image="/x.sif")
    other = plan_for("lumi", account="a", image="/x.sif", inject=["mpi"])
    assert (usual.injections, other.injections) == (("aif",), ("mpi",))
    assert [module.name for module in other.modules] == ["singularity-bindings"]
    by_hand = render(plan_for("frontier", account="a", image="/x.sif", inject=["by-hand"])).text
    assert "export APPTAINER_CONTAINLIBS=libcxi.so.1,libjson-c.so.5" in by_hand
    assert "--bind /opt/cray" in by_hand
    assert "apptainer-enable-mpi" not in by_hand
    gtl = '"${CRAY_MPICH_ROOTDIR:?}/gtl/lib/libmpi_gtl_hsa.so.0:"'
    assert f"export APPTAINERENV_LD_PRELOAD={gtl}" in by_hand


def test_check_24_disk_may_be_for_a_script_of_one_s_own() -> None:
    task = make_task(None, "/there/run.sh", [])
    assert said(judge(plan_for("frontier", constraint="nvme", task=task, **MINE)), 24, "E") == []
    inside = plan_for("frontier", constraint="nvme", data="/mnt/bb/me/data", **MINE)
    assert said(judge(inside), 24, "E") == []


def test_check_24_image_and_data_fit_on_the_disk_of_a_node() -> None:
    plan = plan_for("frontier", nodes=2, image="/x.sif", stage="all", **MINE)
    assert plan.staging.value == ("image", "data")
    small = replace(plan, part_bytes={"image": 10**10, "data": 3 * 10**12})
    large = replace(plan, part_bytes={"image": 10**10, "data": 36 * 10**11})
    assert list(staged_parts_fit(small)) == []
    assert [str(each) for each in staged_parts_fit(large)] == [
        "--stage: image 10 GB + data 3600 GB do not fit on /mnt/bb/$USER (3840 GB, a tenth stays "
        "free). Hint: --stage none, or only one of them"
    ]


@pytest.mark.parametrize(
    ("line", "found"),
    [
        ('sbcast -pf "$image" "$staged/image"', True),
        ("on_every_node cp -L a b", True),
        ('sbcast -pf "$image" "$staged/image" || die broken', False),
        ("if run_step sbcast -pf a b; then", False),
        ("echo cp a b", False),
    ],
)
def test_check_25_copy_that_nobody_tests_is_pointed_out(line: str, found: bool) -> None:
    findings = list(staging_is_tested(Script(f"{line}\n", "sh")))
    assert [finding.number for finding in findings] == ([25] if found else [])


def test_check_26_ranks_without_samples_are_pointed_out(tmp_path: Path) -> None:
    raw = tmp_path / "raw"
    raw.mkdir()
    for index in range(100):
        (raw / f"{index}.txt").touch()
    batch = "NeuralNetwork.Training.batch_size=8"
    path = f"Dataset.path.total={raw}"
    few = judge(plan_for("frontier", path, batch, account="a"))
    many = judge(plan_for("frontier", path, batch, account="a", nodes=2))
    assert said(few, 26, "W") == []
    assert said(many, 26, "W") == [
        "ranks: 16 ranks × batches of 8 = 128 > 70 samples to train on: one step per epoch, and "
        "ranks without work. Hint: fewer nodes, or NeuralNetwork.Training.batch_size=4"
    ]


@pytest.mark.parametrize(
    ("override", "level", "message"),
    [
        ("checkpoint_warmup=100", "E", "no checkpoint before the end: the site gives no warning"),
        ("Checkpoint=false", "E", "Hint: NeuralNetwork.Training.Checkpoint=true, and"),
        ("num_epoch=3", "W", "nothing warns the job before it ends (restart.signal: none)"),
    ],
)
def test_check_27_job_that_nothing_warns_saves_as_it_goes(
    override: str, level: str, message: str
) -> None:
    plan = plan_for("frontier", f"NeuralNetwork.Training.{override}", **MINE)
    assert list(saved_before_end(plan)) == []
    (found,) = saved_before_end(replace(plan, lead_s=Decision(None, "", "")))
    assert (found.number, found.level) == (27, level)
    assert message in str(found)


def test_check_30_script_that_says_something_else_is_refused() -> None:
    plan = plan_for("frontier", nodes=2)
    script = render(plan)
    assert judge_script(plan, script) == []
    for other in (
        replace(plan, nodes=Decision(3, "", "")),
        replace(plan, run_dir=Decision(literal("/elsewhere"), "", "")),
    ):
        assert {finding.number for finding in judge_script(other, script)} == {30}


def test_check_30_script_that_is_no_bash_is_refused() -> None:
    assert [finding.number for finding in bash_accepts(Script("if true; then\n", "sh"))] == [30]
