"""Text that enters a shell script: people's words are quoted, site templates may use variables."""

from __future__ import annotations

import re
import shlex
from dataclasses import dataclass

# Variables that a path of a site file may use when the script runs → what the script calls them.
RUN_TIME = {"ACCOUNT": "account", "USER": "USER", "HOME": "HOME", "JOB_ID": "job_id"}
# Those that the machine sets → what becomes of a word where it does not: `-` empty, `?` the end.
OF_MACHINE = {
    "CRAY_LD_LIBRARY_PATH": "-",
    "CRAY_MPICH_ROOTDIR": "?",
    "LD_LIBRARY_PATH": "-",
    "PSCRATCH": "?",
    "SCRATCH": "?",
    "WORK": "?",
}
_TEMPLATE = re.compile(r"(?:[\w./:,@%+=-]|\$\w+)*")
_VARIABLE = re.compile(r"\$(\w+)")


@dataclass(frozen=True)
class ShellText:
    """One word of a script.

    Attributes:
        text: the characters; with $NAME where `literal` is false.
        literal: whether every character means itself, as in whatever a person typed.
    """

    text: str
    literal: bool

    @property
    def word(self) -> str:
        """The word as it stands in the script."""
        if self.literal:
            return shlex.quote(self.text)
        return '"' + _VARIABLE.sub(lambda match: _in_script(match[1]), self.text) + '"'

    @property
    def variables(self) -> frozenset[str]:
        """Names that the script must know before this word."""
        return frozenset() if self.literal else frozenset(_VARIABLE.findall(self.text))


def _in_script(name: str) -> str:
    if name in OF_MACHINE:
        return f"${{{name}:{OF_MACHINE[name]}}}"
    return f"${{{RUN_TIME[name]}}}"


def literal(text: str) -> ShellText:
    return ShellText(text, literal=True)


def template(text: str) -> ShellText:
    """A site's text; ValueError if it holds anything but plain characters and known variables."""
    unknown = set(_VARIABLE.findall(text)) - RUN_TIME.keys() - OF_MACHINE.keys()
    if unknown or not _TEMPLATE.fullmatch(text):
        known = ", $".join([*RUN_TIME, *OF_MACHINE])
        raise ValueError(f"expected plain characters and ${known}, got {text!r}")
    return ShellText(text, literal=False)


def read_word(word: str) -> ShellText:
    """The inverse of `word`; ValueError if it is not one shell word."""
    if word.startswith('"'):
        names = {script: name for name, script in RUN_TIME.items()}
        inner = re.sub(
            r"\$\{(\w+)(?::[-?])?\}",
            lambda match: f"${names.get(match[1], match[1])}",
            word[1:-1],
        )
        return template(inner)
    parts = shlex.split(word)
    if len(parts) != 1:
        raise ValueError(f"expected one shell word, got {word!r}")
    return literal(parts[0])


def slug(name: str) -> str:
    """`name` with only letters, digits, dot, dash and underscore, as schedulers and paths like."""
    return re.sub(r"[^A-Za-z0-9._-]+", "-", name).strip("-.") or "job"
