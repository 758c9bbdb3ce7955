"""Checks 14, 25 and 30: what was rendered is bash, and says what was planned."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Iterator

from hydria.deploy.checks.finding import Finding, error, warning
from hydria.deploy.plan import Plan
from hydria.deploy.reading import differences
from hydria.deploy.render import Script
from hydria.deploy.schedulers import scheduler_of

_COPY = re.compile(r"(?:run_step )?(?:on_every_node )?(?:sbcast|cp) ")
BASH_TIMEOUT_S = 20


def says_its_plan(plan: Plan, script: Script) -> Iterator[Finding]:
    for difference in differences(plan, script.text):
        yield error(30, "script", difference, "this is a fault of Hydria; please report it")


def directives_are_read(plan: Plan, script: Script) -> Iterator[Finding]:
    """Check 14: schedulers read directives at the margin, and none after the first command."""
    sentinel = scheduler_of(plan.site.scheduler.kind).sentinel
    if not sentinel:
        return
    shadowed = re.compile(rf"[#\s]+{re.escape(sentinel)} ")
    began = False
    for line in script.text.splitlines():
        if line.startswith(f"{sentinel} ") and began:
            yield error(14, "directives", f"stands after the first command: {line}")
        elif shadowed.match(line) and not line.startswith(sentinel):
            yield error(14, "directives", f"a blank or a # before it hides it: {line.strip()}")
        began = began or bool(line.strip() and not line.lstrip().startswith("#"))


def staging_is_tested(script: Script) -> Iterator[Finding]:
    """Check 25: a copy to the nodes that fails must not go unnoticed."""
    for line in script.text.splitlines():
        words = line.strip()
        if _COPY.match(words) and not words.endswith(("||", "&&", "; then")) and "||" not in words:
            yield warning(25, "staging", f"nobody looks at the exit code of: {words}")


def bash_accepts(script: Script) -> Iterator[Finding]:
    bash = shutil.which("bash")
    if bash is None:
        yield warning(30, "script", "no bash here to check its syntax with")
        return
    run = subprocess.run(
        [bash, "-n"],
        input=script.text.encode(),
        capture_output=True,
        timeout=BASH_TIMEOUT_S,
        check=False,
    )
    if run.returncode:
        yield error(30, "script", f"bash -n: {run.stderr.decode(errors='replace').strip()}")
