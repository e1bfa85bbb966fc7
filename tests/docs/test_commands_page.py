"""The page of commands names every verb and every option there is, and none besides."""

from __future__ import annotations

import argparse
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from focal_eval.cli.main import VERBS, build
from focal_eval.errors import ExitCode

TEXT = (Path(__file__).resolve().parents[2] / "docs" / "reference" / "commands.md").read_text(encoding="utf-8")
SECTIONS = {found[1]: found[2] for found in re.finditer(r"^## `(\w+)[^\n]*\n(.*?)(?=^## |\Z)", TEXT, re.M | re.S)}
BLOCK = re.compile(r"^```.*?^```$", re.M | re.S)
OPTION = re.compile(r"(?<![\w-])--?[a-z][a-z-]*")


def options_of(verb: str) -> set[str]:
    """Every option a verb has, those of its actions too."""
    parser = build(verb)
    verbs = next(action for action in parser._actions if isinstance(action, argparse._SubParsersAction))
    return set(_options(verbs.choices[verb])) - {"-h", "--help"}


def _options(parser: argparse.ArgumentParser) -> Iterator[str]:
    for action in parser._actions:
        yield from action.option_strings
        if isinstance(action, argparse._SubParsersAction):
            for inner in action.choices.values():
                yield from _options(inner)


def test_every_verb_has_a_section() -> None:
    """The sections are the verbs, in the order of the help."""
    assert list(SECTIONS) == list(VERBS)


@pytest.mark.parametrize("verb", VERBS)
def test_the_section_names_the_verbs_options(verb: str) -> None:
    """Each option stands in its verb's section, and no other."""
    assert set(OPTION.findall(" ".join(re.findall(r"`([^`]+)`", BLOCK.sub("", SECTIONS[verb]))))) == options_of(verb)


def test_every_exit_code_is_told() -> None:
    """The table has each code this version gives."""
    told = {int(code) for code in re.findall(r"^\| (\d+) \|", TEXT, re.M)}
    assert told == {int(code) for code in ExitCode}
