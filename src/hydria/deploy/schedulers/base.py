"""What every scheduler is asked for."""

from __future__ import annotations

import shlex
from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import ClassVar

from hydria.deploy.plan import Plan

Carried = dict[str, object]


class Scheduler(ABC):
    """How one scheduler is told about a plan, and how its directives are read back."""

    extension: ClassVar[str]
    template: ClassVar[str]
    sentinel: ClassVar[str]
    """What a directive line begins with; empty where there are none."""
    submit_command: ClassVar[tuple[str, ...]]
    account_option: ClassVar[str]
    """The option of `submit_command` that names an account."""
    account_variable: ClassVar[str] = ""
    """The variable in which a job finds the account that it is charged to."""

    @abstractmethod
    def directives(self, plan: Plan) -> tuple[str, ...]:
        """The directives, without the sentinel, in the order of the script."""

    @abstractmethod
    def carried(self, plan: Plan) -> Carried:
        """The values of `plan` that the directives must carry."""

    @abstractmethod
    def read(self, directives: Sequence[str]) -> Carried:
        """The values that directives carry; ValueError for one that nobody planned."""

    def how_to_submit(self, plan: Plan, file: str = "") -> str:
        """The command that hands the script over; without a file, as the header says it."""
        account = ""
        if plan.account.value is None and plan.site.account_required.value:
            account = f" {self.account_option} YOUR_PROJECT"
        file = shlex.quote(file) if file else f"{plan.config.slug}.{self.extension}"
        return f"{' '.join(self.submit_command)}{account} {file}"


def only_set(values: Carried) -> Carried:
    """Without what is None: nothing is said about it."""
    return {key: value for key, value in values.items() if value is not None}
