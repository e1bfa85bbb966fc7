"""Names in scripts are held to what a live Focal lists, before anything is said to it."""

from __future__ import annotations

from pathlib import Path

import pytest

from focal_eval.errors import ExitCode, Refused
from focal_eval.testing.hostile_server import Heard, Said, hostile_server, refused
from tests.engines.focal_good import GoodFocal, page
from tests.engines.focal_talks import TENANT
from tests.engines.four_ways import play

RULE = "6b3eaeed-d56f-4013-89f9-68286ea2ac6a"


def suite_of(folder: Path, url: str, expect: str, keys: str = "") -> Path:
    """A suite of one message."""
    (folder / "talk.yaml").write_text(f"turns: [{{user: thanks, expect: {expect}}}]\n", encoding="utf-8")
    engine = f"{{kind: focal, url: '{url}', tenant: {TENANT}{keys}}}"
    text = f"scripts: [talk.yaml]\nengine: {engine}\nunreported: skip\ntimeout_s: 2\n"
    (folder / "suite.yaml").write_text(text, encoding="utf-8")
    return folder / "suite.yaml"


@pytest.mark.parametrize("keys", ["", ", served: true", ", stream: true"])
@pytest.mark.parametrize(
    ("expect", "said"),
    [
        ("{rules: [thnaks]}", "the server's agent 'shop' has no rule 'thnaks'; did you mean 'thanks'?"),
        ("{scenario: refnd/which}", "the server's agent 'shop' has no scenario 'refnd'; did you mean 'refund'?"),
        ("{scenario: refund/wich}", "has no step 'wich' in the scenario 'refund'; did you mean 'which'?"),
    ],
)
def test_a_slip_of_the_fingers_is_refused(served_shop: str, tmp_path: Path, keys: str, expect: str, said: str) -> None:
    """With its place and the nearest name; no run folder is begun."""
    suite = suite_of(tmp_path, served_shop, expect, keys)
    with pytest.raises(Refused, match="nothing was run") as problem:
        play(suite, tmp_path / "run", None)
    (told,) = problem.value.diagnostics
    assert said in str(told)
    assert told.span.file.endswith("talk.yaml")
    assert not (tmp_path / "run").exists()


def test_a_name_that_is_gone_is_warned_of(served_shop: str, tmp_path: Path) -> None:
    """A rule that the server has no more fails where it is expected, and the warning says why."""
    result = play(suite_of(tmp_path, served_shop, "{rules: [escalate-to-a-human]}"), tmp_path / "run", None)
    assert result.exit_code is ExitCode.FAILED
    assert [str(one).partition(": ")[2] for one in result.warnings] == [
        "warning[unknown-rule]: the server's agent 'shop' has no rule 'escalate-to-a-human', so what is expected of it fails"
    ]


def test_tools_and_templates_are_not_held_to_lists(served_shop: str, tmp_path: Path) -> None:
    """Focal lists which tools are activated, not what they are called when they ran."""
    result = play(suite_of(tmp_path, served_shop, "{tools: {none: true, excludes: [lookp]}}"), tmp_path / "run", None)
    assert (result.exit_code, result.warnings) == (ExitCode.OK, ())


def test_aliases_are_the_names_that_count(served_shop: str, tmp_path: Path) -> None:
    """Scripts say what the file of aliases says."""
    (tmp_path / "names.yaml").write_text("rules: {thanks: gratitude}\n", encoding="utf-8")
    suite = suite_of(tmp_path, served_shop, "{rules: [gratitude]}", ", aliases: names.yaml")
    assert play(suite, tmp_path / "run", None).exit_code is ExitCode.OK


def test_the_lists_are_asked_for_once(tmp_path: Path) -> None:
    """What was read before the run names what is reported in it."""

    class Listing(GoodFocal):
        def __call__(self, heard: Heard) -> Said:
            return page([{"id": RULE, "name": "thanks"}]) if "/rules" in heard.path else super().__call__(heard)

    with hostile_server(Listing(), {}) as server:
        suite = suite_of(tmp_path, server.url, "{response: {contains: thanks}, rules: {excludes: [thanks]}}")
        assert play(suite, tmp_path / "run", None).exit_code is ExitCode.OK
    asked = [heard.path.partition("?")[0].rpartition("/")[2] for heard in server.heard if "/agents" in heard.path]
    assert asked == ["agents", "rules", "scenarios"]


def test_a_server_that_cannot_be_asked_is_found_out_by_the_run(tmp_path: Path) -> None:
    """The run has no verdict and its folder says why, as ever."""
    with refused() as url:
        result = play(suite_of(tmp_path, url, "{rules: [thnaks]}"), tmp_path / "run", None)
    assert result.exit_code is ExitCode.NO_VERDICT
    assert result.model.counts["errored"] == 1
