"""What a check says."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class Finding:
    """`number` and `level` (E refuses, W is printed) as in the table of checks."""

    number: int
    level: Literal["E", "W"]
    where: str
    message: str
    hint: str | None = None

    def __str__(self) -> str:
        text = f"{self.where}: {self.message}"
        return f"{text}. Hint: {self.hint}" if self.hint else text


def error(number: int, where: str, message: str, hint: str | None = None) -> Finding:
    return Finding(number, "E", where, message, hint)


def warning(number: int, where: str, message: str, hint: str | None = None) -> Finding:
    return Finding(number, "W", where, message, hint)
