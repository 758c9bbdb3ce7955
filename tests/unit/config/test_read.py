"""JSON, JSON5 and YAML files: what people add to JSON, and what is shown of a broken file."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hydria.config.read import read_tree
from hydria.core.errors import ConfigError

TREE = {"Dataset": {"name": "a//b", "path": {"total": "/* no comment */, }"}}, "devices": 2}


def written(tmp_path: Path, text: str | bytes, name: str = "run.json") -> Path:
    file = tmp_path / name
    file.write_bytes(text if isinstance(text, bytes) else text.encode())
    return file


def message(file: Path) -> str:
    with pytest.raises(ConfigError) as caught:
        read_tree(file)
    return str(caught.value).replace(str(file), file.name)


@pytest.mark.parametrize(
    "text",
    [
        json.dumps(TREE),
        "\ufeff" + json.dumps(TREE),
        """// above
        {
            "Dataset": {  // it's a comment
                "name": "a//b", /* "name": "x", */
                "path": {"total": "/* no comment */, }",},
            },
            "devices": 2,  # as the manual prints it
        }
        """,
        "{Dataset: {name: 'a//b', path: {total: '/* no comment */, }'}}, devices: +2}",
        '{"Dataset": {"name": "a\\u002f/b", "path": {"total": "/* no comment */, }"}},'
        '"devices": 0x2}',
    ],
)
def test_json_with_what_people_add(tmp_path: Path, text: str) -> None:
    assert read_tree(written(tmp_path, text)) == TREE


def test_yaml(tmp_path: Path) -> None:
    text = "# above\nDataset:\n  name: a//b\n  path: {total: '/* no comment */, }'}\ndevices: 2\n"
    assert read_tree(written(tmp_path, text, "run.yaml")) == TREE


JSON = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.text()),
    lambda inner: st.one_of(st.lists(inner), st.dictionaries(st.text(), inner)),
    max_leaves=20,
)


@settings(max_examples=60, deadline=None, derandomize=True)
@given(st.dictionaries(st.text(), JSON, min_size=1))
def test_comments_and_last_commas_change_nothing(
    tmp_path_factory: pytest.TempPathFactory, tree: dict[str, Any]
) -> None:
    text = json.dumps(tree, indent=1, ensure_ascii=False)
    lines = [
        f"{line},  // \"it's" if line.endswith(('"', "e", "l")) and not line.endswith(",") else line
        for line in text.split("\n")
    ]
    file = written(tmp_path_factory.getbasetemp(), "/* { */\n" + "\n".join(lines))
    assert read_tree(file) == tree


BROKEN: list[tuple[str, str, str]] = [
    ("", "run.json", "run.json: is empty. Hint: 'hydria config new' writes one to start from"),
    (
        "// nothing\n",
        "run.json",
        "run.json: holds nothing but comments. Hint: 'hydria config new' writes one to start from",
    ),
    (
        "# nothing\n",
        "run.yaml",
        "run.yaml: holds nothing but comments. Hint: 'hydria config new' writes one to start from",
    ),
    ('["a"]', "run.json", 'run.json: expected an object with sections, got ["a"]'),
    ("just text", "run.yaml", 'run.yaml: expected an object with sections, got "just text"'),
    (
        '{\n  "radius": 7\n  "hidden_dim": 3\n}\n',
        "run.json",
        "run.json: line 3, column 3: unexpected '\"'\n"
        '      "hidden_dim": 3\n'
        "      ^",
    ),
    (
        '{"radius": 7,  // Å\n\t"hidden_dim": }',
        "run.json",
        "run.json: line 2, column 16: unexpected '}'\n"
        '     "hidden_dim": }\n'
        "                   ^",
    ),
    (
        '{"name": "FePt\n}',
        "run.json",
        "run.json: line 1, column 15: unexpected end of line\n"
        '    {"name": "FePt\n'
        "                  ^",
    ),
    (
        '{"a": [1, 2}',
        "run.json",
        "run.json: line 1, column 13: unexpected end of input\n"
        '    {"a": [1, 2}\n'
        "                ^",
    ),
    (
        "a: [1\nb: 2\n",
        "run.yaml",
        "run.yaml: line 2, column 2: expected ',' or ']', but got ':'\n    b: 2\n     ^",
    ),
    (
        "a:\n  b: 1\n  b: 2\n",
        "run.yaml",
        'run.yaml: line 3, column 3: "b" stands twice\n      b: 2\n      ^',
    ),
    (
        "a: &x [*x]\nb: 2020-99-99\n",
        "run.yaml",
        "run.yaml: month must be in 1..12",
    ),
    (
        '{"Dataset": {"name": "x", "name": "y"}, "a": [{"b": 1, "b": 2, "b": 3}]}',
        "run.json",
        'Dataset.name: stands twice, as "x" and "y". Hint: keep one\n'
        "a.0.b: stands twice, as 1 and 2 and 3. Hint: keep one",
    ),
]  # fmt: skip


@pytest.mark.parametrize(("text", "name", "expected"), BROKEN)
def test_broken_file_shows_where(tmp_path: Path, text: str, name: str, expected: str) -> None:
    assert message(written(tmp_path, text, name)) == expected


def test_text_that_is_not_utf8_is_named(tmp_path: Path) -> None:
    assert message(written(tmp_path, b'{"a": "\xe5"}')) == (
        "run.json: expected UTF-8 text, but byte 7 is 0xe5. Hint: save it as UTF-8"
    )


def test_folder_is_no_config(tmp_path: Path) -> None:
    folder = tmp_path / "run.json"
    folder.mkdir()
    assert message(folder) == "run.json: expected a file, got a folder"


def test_file_that_is_gone_is_named(tmp_path: Path) -> None:
    assert message(tmp_path / "run.json") == "run.json: cannot be read: No such file or directory"


@pytest.mark.parametrize("name", ["run.json", "run.yaml"])
def test_deep_nesting_is_refused(tmp_path: Path, name: str) -> None:
    file = written(tmp_path, '{"a": ' + "[" * 100_000 + "]" * 100_000 + "}", name)
    assert message(file) == f"{name}: is nested too deeply"


def test_reading_a_commented_file_needs_no_json5(tmp_path: Path) -> None:
    """JSON5's parser is a hundred times slower, and `hydria job` has to start quickly."""
    import subprocess
    import sys

    file = written(tmp_path, '{\n  // a comment\n  "devices": 2,\n}\n')
    code = (
        "import sys; from pathlib import Path; from hydria.config.read import read_tree;"
        f"read_tree(Path({str(file)!r})); print('json5' in sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        timeout=60,
        env=os.environ.copy(),
    )
    assert done.stdout.strip() == "False", done.stderr
