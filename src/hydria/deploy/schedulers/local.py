"""No scheduler: bash runs the script here."""

from __future__ import annotations

from collections.abc import Sequence

from hydria.deploy.plan import Plan
from hydria.deploy.schedulers.base import Carried, Scheduler


class Local(Scheduler):
    extension = "sh"
    template = "local.sh.j2"
    sentinel = ""
    submit_command = ("bash",)
    account_option = ""

    def named(self, name: str) -> str:
        return ""

    def directives(self, plan: Plan) -> tuple[str, ...]:
        return ()

    def carried(self, plan: Plan) -> Carried:
        return {}

    def read(self, directives: Sequence[str]) -> Carried:
        return {}
