"""JSON as people read it: short lists stand on one line."""

from __future__ import annotations

import json
from typing import Any

LINE = 88


def printed(value: Any, depth: int = 0) -> str:
    """`value` as ASCII JSON, indented by two; the same value gives the same text."""
    line = json.dumps(value, ensure_ascii=True, default=str)
    nested = isinstance(value, (dict, list)) and bool(value)
    plain = isinstance(value, list) and not any(isinstance(item, (dict, list)) for item in value)
    if not nested or (plain and 2 * depth + len(line) <= LINE):
        return line
    inner, outer = "  " * (depth + 1), "  " * depth
    if isinstance(value, dict):
        rows = [
            f"{json.dumps(str(key))}: {printed(item, depth + 1)}" for key, item in value.items()
        ]
    else:
        rows = [printed(item, depth + 1) for item in value]
    opening, closing = "{}" if isinstance(value, dict) else "[]"
    body = f",\n{inner}".join(rows)
    return f"{opening}\n{inner}{body}\n{outer}{closing}"
