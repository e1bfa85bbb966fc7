"""What reports say of simulated users: the way, the end, who is to blame; and that nothing of it acts."""

from __future__ import annotations

import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import orjson
import pytest

from focal_eval.report.html import write as write_html
from focal_eval.report.journal import read_run
from focal_eval.report.jsonl import case_json
from focal_eval.report.junit import write as write_junit
from focal_eval.report.model import ReportModel
from focal_eval.report.simulated_words import ENDS, ending_of, ending_words
from focal_eval.report.terminal import print_run
from tests.report.reader import DESKTOP, PHONE, Readers

EVIL = "</script><img src=x onerror=alert(1)>\x1b[31m"
CASES: dict[str, tuple[str, dict[str, Any], str | None]] = {
    "stranded": ("errored", {"end": "no-edge", "why": "no edge fits", "blame": "simulator"}, "no edge fits"),
    "driven-away": ("failed", {"end": "gives_up", "why": "asked twice", "blame": "engine"}, None),
    "content": ("passed", {"end": "done", "why": "in any case"}, None),
    "hostile": ("passed", {"end": EVIL, "why": EVIL, "path": [EVIL, "b"]}, None),
}


def lines_of(name: str) -> Iterator[dict[str, Any]]:
    """A case of two turns as a journal holds it."""
    verdict, ending, fault = CASES[name]
    yield {
        **{"t": "case", "case": name, "name": name, "script": name, "title": name, "file": f"{name}.yaml", "digest": "d"},
        **{"turns": 20, "marks": {"simulated": "a user of 2 states"}},
    }
    for number, state in enumerate(("asks", "asks")):
        said = {"user": "hi", "reply": {"response": "yes"}, "results": []}
        yield {"t": "turn", "case": name, "attempt": 1, "i": number, "name": state, "state": state, **said}
    broke = {"fault": {"kind": "simulator", "message": fault}} if fault else {}
    yield {
        **{"t": "attempt", "case": name, "attempt": 1, "verdict": verdict, "elapsed_ms": 1.0, "results": []},
        **{"ending": {"turns": 2, "state": "asks", "path": ["asks", "asks"], **ending}, **broke},
    }


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> ReportModel:
    """A run of simulated users, one of each kind."""
    header = {"t": "run", "format": 1, "id": "r", "state": "finished", "verdict": "failed", "gates": []}
    lines = [header, *(line for name in CASES for line in lines_of(name))]
    folder = tmp_path_factory.mktemp("simulated")
    (folder / "journal.jsonl").write_bytes(b"".join(orjson.dumps(line) + b"\n" for line in lines))
    return read_run(folder)


def case_of(run: ReportModel, name: str) -> Any:
    return next(case for case in run.cases if case.name == name)


def test_the_way_in_words(run: ReportModel) -> None:
    """States in order, those said again counted, the end in words, and who is to blame."""
    words = {name: ending_words(ending) for name in CASES if (ending := ending_of(run, case_of(run, name))) is not None}
    assert words["stranded"] == "asks ×2 → no edge fits; to blame: simulator"
    assert words["driven-away"] == "asks ×2 → gives up; to blame: engine"
    assert words["content"] == "asks ×2 → done"


def test_what_went_wrong_tells_the_way(run: ReportModel, tmp_path: Path) -> None:
    """On the terminal, in JUnit and as JSON; what a journal holds is neutralised."""
    stream = io.StringIO()
    print_run(run, stream, environ={"NO_COLOR": "1"})
    assert "simulated user: asks ×2 → no edge fits; to blame: simulator" in stream.getvalue()
    junit = write_junit(run, tmp_path).read_text()
    assert "simulated user: asks ×2 → gives up; to blame: engine" in junit
    told = case_json(run, case_of(run, "driven-away"))
    assert told["ending"] == {
        "end": "gives_up", "why": "asked twice", "turns": 2, "state": "asks", "path": ["asks", "asks"], "blame": "engine",
    }  # fmt: skip
    assert "\x1b[31m" not in stream.getvalue()


def test_words_of_ends_are_those_of_the_page() -> None:
    """The two lists, in Python and in the page's script, are the same."""
    script = (Path(write_html.__code__.co_filename).parent / "assets" / "script" / "simulated.js").read_text()
    for end, words in ENDS.items():
        assert f'{end}: "{words}"' in script or f'"{end}": "{words}"' in script


@pytest.fixture(scope="module")
def page(run: ReportModel, tmp_path_factory: pytest.TempPathFactory) -> str:
    return write_html(run, tmp_path_factory.mktemp("page")).as_uri()


@pytest.mark.browser
@pytest.mark.parametrize(
    ("scheme", "size"),
    [
        ("light", DESKTOP),
        ("dark", PHONE),
        pytest.param("dark", DESKTOP, marks=pytest.mark.slow),
        pytest.param("light", PHONE, marks=pytest.mark.slow),
    ],
)
def test_the_page_shows_the_way_and_the_blame(readers: Readers, page: str, size: tuple[int, int], scheme: Any) -> None:
    """Each state leads to its turn; nothing is wider than the page, nothing hostile acts, and nothing is logged."""
    with readers.at(page, size, scheme) as reader:
        for name, blame in (
            ("stranded", "The simulated user is to blame"),
            ("driven-away", "The engine is to blame"),
            ("content", ""),
        ):
            reader.open_case(name)
            panel = reader.page.locator(".simulated")
            assert panel.locator(".sim-step").all_inner_texts() == ["asks", "asks"]
            assert panel.locator(".sim-end").inner_text() == ending_end(name)
            assert blame in panel.inner_text()
            assert reader.page.evaluate("document.documentElement.scrollWidth") <= size[0]
        panel.locator(".sim-step >> nth=1").click()
        assert reader.page.evaluate("document.activeElement.id") == "turn-1"
        reader.open_case("stranded")
        assert "The simulated user could not go on" in reader.page.inner_text("#detail")
        reader.open_case("hostile")
        assert reader.page.locator(".simulated img").count() == 0
        assert "onerror" in reader.page.inner_text(".simulated")
        assert reader.log == []


def ending_end(name: str) -> str:
    """The end of a case in words."""
    return ENDS[CASES[name][1]["end"]]
