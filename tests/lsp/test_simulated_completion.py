"""Simulated users in an editor: keys, names of the agent in states, edges and goals, and what a half-typed one is told."""

from __future__ import annotations

from pathlib import Path

import pytest

from focal_eval.lsp.completion import complete
from focal_eval.lsp.naming import kinds_at
from focal_eval.lsp.project import Project
from tests.lsp.shop import make_shop

HEAD = "simulator:\n  knows: {order: A-1}\n  states:\n    asks:\n"


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        (("simulator", "states", "asks", "expect", "rules"), "rule"),
        (("simulator", "states", "asks", "then", 0, "when", "rules"), "rule"),
        (("simulator", "states", "asks", "then", 0, "when", "scenario"), "scenario"),
        (("simulator", "goal", "visits"), "scenario"),
        (("simulator", "goal", 0, "count", "tool"), "tool"),
        (("conversation", "visits"), "scenario"),
        (("turns", 0, "expect", "rules"), "rule"),
    ],
)
def test_the_kind_of_a_name_is_known(path: tuple[str | int, ...], kind: str) -> None:
    """In states, edges and goals as in turns and conversations: no table says so, the readers are asked."""
    assert kinds_at("script", path, key=False) == ((kind, ""),)


def labels(folder: Path, typed: str) -> set[str]:
    """What is suggested at the end of a text."""
    project = Project((folder,))
    path = (folder / "scenarios/customer.yaml").resolve()
    path.write_text("turns: [hello]\n")
    project.files.put(path, typed)
    project.changed(path)
    return {made.label for made in complete(project, path, typed.count("\n"), len(typed.rpartition("\n")[2]))}


@pytest.mark.parametrize(
    ("typed", "wanted"),
    [
        ("simul", {"simulator"}),
        ("simulator:\n  ", {"states", "knows", "goal", "max_turns", "stuck", "start"}),
        (HEAD + "      ", {"says", "expect", "then", "save", "at_most"}),
        (HEAD + "      says: hi\n      then:\n        - to: done\n          ", {"when"}),
        (HEAD + "      says: hi\n      expect: {rules: [", {"greet", "refund", "goodbye"}),
        (HEAD + "      then: [{to: done, when: {rules: [", {"greet", "refund", "goodbye"}),
        (HEAD + '      then: done\n      says: "It is {{ ', {"order"}),
    ],
)
def test_what_may_stand_there_is_suggested(typed: str, wanted: set[str], tmp_path: Path) -> None:
    """Keys of the simulator and its states, names of the agent, and what the user knows."""
    assert wanted <= labels(make_shop(tmp_path), typed)
