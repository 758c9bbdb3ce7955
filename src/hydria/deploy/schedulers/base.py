"""What every scheduler is asked for."""

from __future__ import annotations

import shlex
from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import ClassVar

from hydria.config.conditions import holds
from hydria.deploy.plan import Plan

Carried = dict[str, object]


@dataclass(frozen=True)
class Array:
    """How one scheduler starts many members of one job.

    Attributes:
        directive: with {last}, the number of the last member, and {at_once}.
        index_variable: in which a member finds its number.
        folder_variable: in which it finds the folder that the job was submitted from.
    """

    directive: str
    index_variable: str
    folder_variable: str


class Scheduler(ABC):
    """How one scheduler is told about a plan, and how its directives are read back."""

    extension: ClassVar[str]
    template: ClassVar[str]
    sentinel: ClassVar[str]
    """What a directive line begins with; empty where there are none."""
    submit_command: ClassVar[tuple[str, ...]]
    account_option: ClassVar[str]
    """The option of `submit_command` that names an account."""
    owned: ClassVar[frozenset[str]] = frozenset()
    """Options that carry what a plan decides; nobody else may set them."""
    account_variable: ClassVar[str] = ""
    """The variable in which a job finds the account that it is charged to."""

    after_option: ClassVar[tuple[str, ...]] = ()
    """Options that hold a job back until job {id} has ended, however it ended."""
    link_option: ClassVar[tuple[str, ...]] = ()
    """Options that tell a job that it goes on with the work of {number} others; where there are
    none, the number is the script's argument."""

    array: ClassVar[Array | None] = None

    @abstractmethod
    def named(self, name: str) -> str:
        """The directive that gives a job its name."""

    @abstractmethod
    def directives(self, plan: Plan) -> tuple[str, ...]:
        """The directives, without the sentinel, in the order of the script."""

    @abstractmethod
    def carried(self, plan: Plan) -> Carried:
        """The values of `plan` that the directives must carry."""

    @abstractmethod
    def read(self, directives: Sequence[str]) -> Carried:
        """The values that directives carry; ValueError for one that nobody planned."""

    def site_directives(self, plan: Plan) -> Iterator[str]:
        """What the site file adds, what its queue adds, and what a person adds, in that order."""
        directives, facts = plan.site.directives, plan.conditions()
        for row in directives.required:
            if row.from_ == "literal" and holds(row.when, facts):
                yield self.spelled(row.flag, _filled(plan, row.value))
        for extra in directives.conditional:
            if holds(extra.when, facts):
                yield _filled(plan, extra.emit)
        if plan.queue_row is not None:
            yield from plan.queue_row.extra
        yield from plan.directives.value or ()

    def spelled(self, flag: str, value: str) -> str:
        """A flag with its value, as this scheduler writes them."""
        return f"{flag}={value}" if value else flag

    def submit_words(self, script: str, after: str = "", number: int = 0) -> tuple[str, ...]:
        """The command that hands `script` over.

        Args:
            after: the job that must have ended before.
            number: how many jobs have done a part of the same work before this one.
        """
        held = tuple(word.format(id=after) for word in self.after_option) if after else ()
        told = tuple(word.format(number=number) for word in self.link_option) if number else ()
        argument = (str(number),) if number and not self.link_option else ()
        return (*self.submit_command, *held, *told, script, *argument)

    def how_to_submit(self, plan: Plan, file: str = "") -> str:
        """The command that hands the script over; without a file, as the header says it."""
        account = ""
        if plan.account.value is None and plan.site.account_required.value:
            account = f" {self.account_option} YOUR_PROJECT"
        file = shlex.quote(file) if file else f"{plan.stem}.{self.extension}"
        return f"{' '.join(self.submit_command)}{account} {file}"


def _filled(plan: Plan, text: str | None) -> str:
    """The numbers of the plan in the place of {gpus} and the like."""
    return (text or "").format(
        nodes=plan.nodes.value,
        ranks=plan.ranks,
        ranks_per_node=plan.ranks_per_node.value,
        gpus=plan.gpus_per_node.value,
        cores=plan.cores_per_rank.value,
    )


def only_set(values: Carried) -> Carried:
    """Without what is None: nothing is said about it."""
    return {key: value for key, value in values.items() if value is not None}
