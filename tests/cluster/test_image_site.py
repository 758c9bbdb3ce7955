"""A real image, the sites that it is meant for, and what a job is told before it starts."""

from __future__ import annotations

import re
import shlex
import subprocess
from pathlib import Path
from typing import Any

import pytest

from hydria.deploy.plan import Plan
from hydria.deploy.render import render
from hydria.deploy.runtimes import container_words, injected_binds
from tests.support.images import EXEC, base_image, run
from tests.support.jobs import findings_for, plan_for

pytestmark = [
    pytest.mark.system("apptainer"),
    pytest.mark.xdist_group("images"),
    pytest.mark.timeout(900),
]


@pytest.mark.parametrize(
    ("site", "flags", "number", "message"),
    [
        ("frontier", {}, 15, "the image is for cpu, the GPUs of frontier need rocm"),
        ("vista", {"assume": ["container.runtime=apptainer"]}, 15,
         "is for x86_64, vista has aarch64 processors"),
        ("andes", {}, 16, "the image's MPI is mpich 4.1.3; andes binds mpich ==3.4.2 over it"),
        ("polaris", {"nodes": 10, "walltime": "1h"}, 17, "container.fabric is unverified"),
        ("lumi", {"inject": ["ai", "mpi"]}, 23, "injections 'ai' and 'mpi' exclude each other"),
    ],
)  # fmt: skip
def test_image_that_does_not_fit_a_site_is_refused(
    image: Path, site: str, flags: dict[str, Any], number: int, message: str
) -> None:
    found = findings_for(site, account="a", image=str(image), **flags)
    assert [f for f in found if f.number == number and f.level == "E" and message in str(f)]


def machine_of(plan: Plan, top: Path) -> list[str]:
    """The files of a machine that a plan binds, under `top`, and the binds that show them."""
    binds = []
    for path in injected_binds(plan):
        (top / path.strip("/")).mkdir(parents=True)
        (top / path.strip("/") / "of-the-machine").write_text(path)
        binds.append(f"--bind={top / path.strip('/')}:{path}")
    return binds


@pytest.mark.parametrize(("site", "inject"), [("frontier", "by-hand"), ("polaris", None)])
def test_binds_of_a_site_are_seen_beside_hydria(
    image: Path, site: str, inject: str | None, open_folder: Path
) -> None:
    plan = plan_for(site, account="a", image=str(image), inject=[inject] if inject else [])
    binds = machine_of(plan, open_folder)
    seen = [f"{path.rstrip('/')}/of-the-machine" for path in injected_binds(plan)]
    said = run(*EXEC, *binds, image, "sh", "-c", f"cat {shlex.join(seen)}; hydria --version")
    assert said.startswith("".join(injected_binds(plan)) + "hydria ")


def test_home_is_not_needed_and_the_root_is_not_written(image: Path, open_folder: Path) -> None:
    """Folder, environment and caches, as scripts give them, where nothing else is there."""
    plan = plan_for("local", image=str(image), env={"NOTE": 'a=1,b=2 "c"'})
    words = container_words(plan).replace("exec ", "exec --no-home --contain --cleanenv ", 1)
    passed = re.search(r"^pass_on\(\) \{.*?^\}", render(plan).text, re.DOTALL | re.MULTILINE)
    assert passed is not None
    show = (
        "import os, hydria; print(os.getcwd()); print(os.environ['NOTE'], os.environ['TMPDIR']);"
        "folders = [os.environ['XDG_CACHE_HOME'], os.environ['TRITON_HOME']];"
        "[os.makedirs(f) for f in folders]; print(*folders); print(os.access('/opt', os.W_OK))"
    )
    lines = [
        *(f"{name}={shlex.quote(str(open_folder))}" for name in ("data_root", "run_dir")),
        f"image={shlex.quote(str(image))}",
        *(f"export {entry.name}={entry.value.word}" for entry in plan.env),
        'export HYDRIA_DATA="$data_root"',
        passed[0],
        "pass_on",
        f"{words} python -c {shlex.quote(show)}",
    ]
    said = run("bash", "-euc", "\n".join(lines), cwd=open_folder).splitlines()
    assert said[:2] == [str(open_folder), 'a=1,b=2 "c" /tmp']
    assert said[2].split()[0].startswith("/tmp/hydria-")
    assert said[3] == "False"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"image": "base"}, "hydria does not start in"),
        ({"bind": "/nowhere"}, "mount source /nowhere doesn't exist"),
        ({"path": ""}, "apptainer: not found on this node"),
    ],
)
def test_a_script_says_why_its_image_does_not_start(
    image: Path, open_folder: Path, change: dict[str, str], message: str
) -> None:
    chosen = base_image() if "image" in change else image
    plan = plan_for("local", image=str(chosen), run_dir=str(open_folder / "run"))
    text = render(plan).text
    if "bind" in change:
        text = text.replace("apptainer exec ", f"apptainer exec --bind {change['bind']} ")
    script = open_folder / "job.sh"
    script.write_text(text)
    environment = {"HOME": str(open_folder), "PATH": "/usr/bin:/bin"}
    if "path" in change:
        script.write_text(text.replace("command -v apptainer", "PATH= command -v apptainer"))
    done = subprocess.run(
        ["bash", script], cwd=open_folder, env=environment, capture_output=True, text=True,
        timeout=120, check=False,
    )  # fmt: skip
    assert done.returncode == 2, done.stdout + done.stderr
    assert message in done.stderr
    assert not (open_folder / "run/status.json").exists()
