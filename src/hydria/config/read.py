"""JSON, JSON5 and YAML files to dictionaries, with messages that show the faulty line."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

from hydria.config.base import shown
from hydria.core.errors import ConfigError, Problem

SUFFIXES = (".json", ".json5", ".yaml", ".yml")
END = {"\n": "end of line"}
STARTER = "'hydria config new' writes one to start from"

# A string, or what people add to JSON: comments (the manual also prints `#`), and a comma before
# a closing bracket.
_STRING = r"""("(?:\\.|[^"\\\n])*"|'(?:\\.|[^'\\\n])*')"""
_COMMENT = re.compile(rf"{_STRING}|//[^\n]*|#[^\n]*|/\*.*?\*/", re.DOTALL)
_LAST_COMMA = re.compile(rf"{_STRING}|,(?=\s*[}}\]])")
_JSON5_ERROR = re.compile(
    r"<string>:(?P<line>\d+) (?P<what>.*?)(?: at column (?P<column>\d+))?$", re.DOTALL
)


class _Twice(dict[str, Any]):
    """A section in which keys are repeated; `again` holds them with all their values."""

    again: dict[str, list[Any]]


class _SyntaxProblem(ValueError):
    """Text that is no JSON or YAML, from line and column (from 1; None where unknown)."""

    def __init__(self, what: str, line: int | None, column: int | None) -> None:
        super().__init__(what)
        self.line, self.column = line, column


def read_tree(path: Path) -> dict[str, Any]:
    """The content of a JSON, JSON5 or YAML file as a dictionary.

    Raises:
        ConfigError: if the file cannot be read, is not what its ending says, holds no sections, or
            holds a key twice.
    """
    text = _text(path)
    parse: Callable[[str], Any] = _yaml if path.suffix in {".yaml", ".yml"} else _json
    if not text.strip():
        raise _error(path, "is empty", STARTER)
    try:
        tree = parse(text)
    except _SyntaxProblem as err:
        raise _error(path, _pointed_at(err, text)) from err
    except RecursionError as err:
        raise _error(path, "is nested too deeply") from err
    if tree is None:
        raise _error(path, "holds nothing but comments", STARTER)
    if not isinstance(tree, dict):
        raise _error(path, f"expected an object with sections, got {shown(tree)}")
    if twice := list(_repeated(tree, ())):
        raise ConfigError(twice)
    return tree


def _error(path: Path, message: str, hint: str | None = None) -> ConfigError:
    return ConfigError([Problem(str(path), message, hint)])


def _text(path: Path) -> str:
    if path.is_dir():
        raise _error(path, "expected a file, got a folder")
    try:
        # people's editors on Windows begin a file with a byte-order mark
        return path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as err:
        byte = err.object[err.start]
        where = f"byte {err.start} is 0x{byte:02x}"
        raise _error(path, f"expected UTF-8 text, but {where}", "save it as UTF-8") from err
    except OSError as err:
        raise _error(path, f"cannot be read: {err.strerror}") from err


def _json(text: str) -> Any:
    """JSON by the standard library, which is a hundred times quicker than JSON5.

    Comments and last commas are blanked out first, so that only rarer forms need JSON5.
    """
    plain = _LAST_COMMA.sub(_blank, _COMMENT.sub(_blank, text))
    if not plain.strip():
        return None
    try:
        return json.loads(plain, object_pairs_hook=_section)
    except ValueError:
        return _json5(plain)


def _blank(match: re.Match[str]) -> str:
    return match[1] if match[1] is not None else re.sub(r"[^\n]", " ", match[0])


def _json5(text: str) -> Any:
    import json5

    try:
        return json5.loads(text, object_pairs_hook=_section)
    except ValueError as err:
        found = _JSON5_ERROR.search(str(err))
        if found is None:
            raise _SyntaxProblem(str(err), None, None) from err
        column = int(found["column"]) if found["column"] else None
        quoted = re.fullmatch(r'Unexpected "(.*)"', found["what"], re.DOTALL)
        what = (
            f"unexpected {END.get(quoted[1], repr(quoted[1]))}" if quoted else found["what"].lower()
        )
        raise _SyntaxProblem(what, int(found["line"]), column) from err


def _yaml(text: str) -> Any:
    import yaml

    class Loader(yaml.SafeLoader):
        """YAML's safe loader, which would take the last of two equal keys."""

        def construct_mapping(self, node: Any, deep: bool = False) -> Any:
            seen: set[str] = set()
            for key, _ in node.value:
                if isinstance(key, yaml.ScalarNode) and key.value in seen:
                    raise yaml.MarkedYAMLError(
                        problem=f"{shown(key.value)} stands twice", problem_mark=key.start_mark
                    )
                seen.add(str(key.value))
            return super().construct_mapping(node, deep)

    try:
        return yaml.load(text, Loader)
    except yaml.MarkedYAMLError as err:
        mark = err.problem_mark or err.context_mark
        line, column = (mark.line + 1, mark.column + 1) if mark else (None, None)
        raise _SyntaxProblem(err.problem or "not YAML", line, column) from err
    except (yaml.YAMLError, ValueError, TypeError) as err:
        raise _SyntaxProblem(str(err), None, None) from err


def _section(members: Iterable[tuple[str, Any]]) -> dict[str, Any]:
    pairs = list(members)
    section = dict(pairs)
    if len(section) == len(pairs):
        return section
    repeated = _Twice(section)
    repeated.again = {
        key: [value for other, value in pairs if other == key]
        for key in section
        if sum(other == key for other, _ in pairs) > 1
    }
    return repeated


def _repeated(value: Any, path: tuple[str, ...]) -> Iterator[Problem]:
    if isinstance(value, _Twice):
        for key, values in value.again.items():
            every = " and ".join(map(shown, values))
            yield Problem(".".join((*path, str(key))), f"stands twice, as {every}", "keep one")
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from _repeated(inner, (*path, str(key)))
    elif isinstance(value, list):
        for index, inner in enumerate(value):
            yield from _repeated(inner, (*path, str(index)))


def _pointed_at(problem: _SyntaxProblem, text: str) -> str:
    """The message with its line of the file, and a caret under the column."""
    lines = text.splitlines()
    if problem.line is None or problem.line > len(lines):
        return f"{problem}"
    line, column = lines[problem.line - 1].replace("\t", " "), problem.column
    where = f"line {problem.line}" + (f", column {column}" if column else "")
    caret = f"\n    {' ' * (column - 1)}^" if column else ""
    return f"{where}: {problem}\n    {line}{caret}"
