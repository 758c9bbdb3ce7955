"""Check 29: what somebody's example says in the place of a name of one's own."""

from __future__ import annotations

import re
from collections.abc import Iterator

from hydria.deploy.checks.finding import Finding, warning
from hydria.deploy.plan import Plan
from hydria.deploy.quoting import ShellText

WHOLE = re.compile(
    r"<[\w .@-]*>|your[_-]\w+(?:@\S+)?|your(?:project|account|name|mail)|changeme|xxx+|todo",
    re.IGNORECASE,
)
IN_A_PATH = re.compile(r"<[^<>/]*>|(?:^|/)path/to/|(?:^|[/.-])your[_-]\w+", re.IGNORECASE)
NAMES = ("account", "mail")
PATHS = ("image", "venv", "data_root", "run_dir")


def is_placeholder(text: str) -> bool:
    """Whether a name is left to be filled in."""
    return WHOLE.fullmatch(text) is not None


def placeholders(plan: Plan) -> Iterator[Finding]:
    """The script is written; `submit` hands none over that nobody is charged for."""
    decisions = plan.decisions()
    for name in (*NAMES, *PATHS):
        value = decisions[name].value
        if isinstance(value, ShellText):
            value = value.text if value.literal else None
        left = value is not None and (is_placeholder(value) if name in NAMES else in_path(value))
        if left:
            message = f"{value!r} looks like a placeholder"
            yield warning(29, decisions[name].source, message, "put your own in its place")


def in_path(text: str) -> bool:
    """Whether a part of a path is left to be filled in."""
    return IN_A_PATH.search(text) is not None
