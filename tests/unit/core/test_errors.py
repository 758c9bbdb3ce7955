"""Messages say where, what was expected, what came, and what to do."""

from hydria.core.errors import ConfigError, HydriaError, MissingExtraError, Problem


def test_problem_reads_as_one_sentence_and_a_hint() -> None:
    problem = Problem("A.radius", "expected a number > 0 (Å), got -2", "give a cutoff in Å")
    assert str(problem) == "A.radius: expected a number > 0 (Å), got -2. Hint: give a cutoff in Å"


def test_all_problems_are_in_the_message() -> None:
    error = ConfigError([Problem("a", "one"), Problem("", "two")])
    assert str(error) == "a: one\ntwo"
    assert isinstance(error, HydriaError)
    assert error.exit_code == 2


def test_missing_extra_names_what_to_install() -> None:
    assert "pip install 'hydria[train]'" in str(MissingExtraError("train", "torch"))
