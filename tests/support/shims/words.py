"""Command lines as launchers and schedulers read them."""

from __future__ import annotations

import re
import shlex
from collections.abc import Collection, Sequence


def split_options(
    words: Sequence[str], with_value: Collection[str]
) -> tuple[dict[str, str], list[str]]:
    """Options up to the first other word, and what comes from there on.

    Args:
        with_value: options that take the next word where no `=` follows them.
    """
    options: dict[str, str] = {}
    rest = list(words)
    while rest and rest[0].startswith("-"):
        name, equals, value = rest.pop(0).partition("=")
        short = re.fullmatch(r"(-[A-Za-z])(.+)", name)
        if equals:
            options[name] = value
        elif name in with_value and rest:
            options[name] = rest.pop(0)
        elif short and short[1] in with_value:
            options[short[1]] = short[2]
        else:
            options[name] = ""
    return options, rest


def directives(script: str, sentinel: str) -> list[list[str]]:
    """The words of each directive; the first command ends them, as it does for a scheduler."""
    found = []
    for line in script.splitlines():
        if line.startswith(f"{sentinel} "):
            found.append(shlex.split(line.removeprefix(sentinel)))
        elif line.strip() and not line.startswith("#"):
            break
    return found
