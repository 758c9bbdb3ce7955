"""`--assume path=value`: a value for a fact that a site file calls unknown."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from hydria.config.facts import UNKNOWN
from hydria.core.errors import DeployError, Problem

FLAG = "--assume"
_STEP = re.compile(r"[^.\[\]]+|\[\d+\]")


def assume_facts(tree: Any, pairs: Sequence[str], name: str) -> tuple[tuple[str, str], ...]:
    """Put the values into the tree of a site file; DeployError where nothing is unknown there."""
    assumed = []
    for pair in pairs:
        path, equals, text = pair.partition("=")
        if not equals or not text:
            raise DeployError([Problem(FLAG, f"expected path=value, got {pair!r}")])
        _assume(tree, path.strip(), text.strip(), name)
        assumed.append((path.strip(), text.strip()))
    return tuple(assumed)


def _assume(tree: Any, path: str, text: str, name: str) -> None:
    import yaml

    try:
        value = yaml.safe_load(text)
    except yaml.YAMLError as err:
        raise DeployError([Problem(f"{FLAG} {path}", f"expected a value, got {text!r}")]) from err
    holder, key = _find(tree, path, name)
    known = holder[key]
    if isinstance(known, dict) and known.get("value") == UNKNOWN:
        holder[key] = {"value": value}
    elif known == UNKNOWN:
        holder[key] = value
    else:
        shown = known.get("value", known) if isinstance(known, dict) else known
        hint = "what is known is not assumed; a site file of your own may say something else"
        message = f"expected a fact that is unknown on {name}, got one that is {shown!r}"
        raise DeployError([Problem(f"{FLAG} {path}", message, hint)])


def _find(tree: Any, path: str, name: str) -> tuple[Any, Any]:
    """What holds the fact, and its key there."""
    steps = [int(step[1:-1]) if step[0] == "[" else step for step in _STEP.findall(path)]
    holder: Any = None
    node = tree
    for step in steps:
        holder = node
        try:
            node = holder[step]
        except (KeyError, IndexError, TypeError) as err:
            hint = f"hydria site check {name} lists what is unknown"
            raise DeployError(
                [Problem(f"{FLAG} {path}", f"{name} has no such fact", hint)]
            ) from err
    if holder is None:
        raise DeployError([Problem(FLAG, f"expected path=value, got the path {path!r}")])
    return holder, steps[-1]
