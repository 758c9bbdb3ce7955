"""Words that enter a script mean themselves."""

from __future__ import annotations

import subprocess

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hydria.deploy.quoting import literal, read_word, slug, template

PRINTABLE = st.text(st.characters(exclude_categories=("Cs", "Cc")), min_size=1, max_size=40)


@given(PRINTABLE)
def test_literal_is_read_back(text: str) -> None:
    assert read_word(literal(text).word) == literal(text)


@settings(max_examples=25, deadline=None)
@given(PRINTABLE)
def test_bash_sees_the_very_characters(text: str) -> None:
    script = f'value={literal(text).word}\nprintf %s "$value"'
    run = subprocess.run(["bash", "-c", script], capture_output=True, check=True, timeout=20)
    assert run.stdout.decode() == text


@pytest.mark.parametrize("text", ["/lustre/$ACCOUNT/x/$USER", "plain/path", "$HOME/a-b_c.d"])
def test_template_is_read_back(text: str) -> None:
    assert read_word(template(text).word) == template(text)


@pytest.mark.parametrize("text", ["$SECRET/x", "$(id)", "`id`", 'a"b', "a b", "a;b", "$ACCOUNT'"])
def test_template_holds_nothing_that_runs(text: str) -> None:
    with pytest.raises(ValueError, match="expected plain characters"):
        template(text)


@pytest.mark.parametrize(
    ("name", "expected"),
    [("lsms", "lsms"), ("a b$c", "a-b-c"), ("../x", "x"), ("Ångström", "ngstr-m"), ("$", "job")],
)
def test_slug_is_harmless(name: str, expected: str) -> None:
    assert slug(name) == expected
