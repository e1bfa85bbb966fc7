"""On the example agent: a planted pair of edits among harmless ones is found, a long conversation is cut down."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path

import pytest

from focal_eval.cli import main
from tests.examples.retail import ROOT, SCRIPTS

PAIR = (
    ("[thanks, thank you, thx,", "[thanks, thank you, thx, dented,"),
    ("    priority: -4\n", "    priority: -4\n    outranks: [damaged-item]\n"),
)
"""A word more for a rule, and what the rule outranks: either alone does no harm to a report of damage."""

HARMLESS = (
    ("Hello, this is Larkfield.", "Hello, this is Larkfield, what a day."),
    ("You are welcome!", "You are most welcome!"),
    ("Goodbye, and have a nice day!", "Goodbye!"),
    ("    priority: -5\n    template: bye", "    priority: -6\n    template: bye"),
    ("    priority: -20\n", "    priority: -21\n"),
    ("Sehr gern geschehen!", "Gern geschehen!"),
    ("Auf Wiedersehen und einen schönen Tag noch!", "Auf Wiedersehen!"),
    ("¡Adiós y que tengas un buen día!", "¡Adiós!"),
    ("Of course, let us go on in English.", "Let us go on in English."),
    ("[in english, english please,", "[in english, englisch, english please,"),
    ("in german, speak german]", "in german, german please, speak german]"),
    ("[bye, goodbye, see you later,", "[bye, goodbye, see you, see you later,"),
)
DAMAGE = SCRIPTS / "damage" / "photo-then-refund.yaml"
REFUND = (
    "amount: {result: lookup_order.price}, refund_to: refund_to}",
    "amount: {result: lookup_order.stock}, refund_to: refund_to}",
)
"""Refunds as much as there are pieces in stock."""

SMALL_TALK = (
    "hello there",
    "what can you do?",
    "thanks",
    "can i deduct a desk lamp from my taxes",
    "ok just asking",
    "what is the weather like",
    "tell me a joke",
    "do you sell this cheaper than elsewhere?",
    "how long does a refund take?",
    "do i owe sales tax if i ship to Texas",
    "what are my legal rights",
    "thank you so much",
    "all right",
    "hmm, give me a moment",
    "so, where was i",
)


def write_long(folder: Path) -> None:
    """A suite of one script of twenty turns: small talk, and a report of damage with more of it in between."""
    head, _, body = DAMAGE.read_text(encoding="utf-8").partition("turns:\n")
    turns, _, tail = body.partition("conversation:\n")
    report = re.split(r"(?m)^(?=  - user:)", turns)[1:]
    talk = [f"  - {json.dumps(said)}\n" for said in SMALL_TALK]
    mixed = [*talk[:11], *(one for pair in zip(report, talk[11:], strict=False) for one in pair), *report[4:]]
    (folder / "evals" / "long.yaml").write_text(
        "title: Long\nscripts: [long/*.yaml]\nengine: {kind: embedded, agent: agents/retail.yaml}\n", encoding="utf-8"
    )
    (folder / "evals" / "long").mkdir()
    text = "".join([head, "turns:\n", *mixed, "conversation:\n", tail])
    (folder / "evals" / "long" / "long.yaml").write_text(text, encoding="utf-8")


@pytest.fixture
def shop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The example in a folder of its own, with an agent of fourteen edits in `new.yaml`."""
    for name in ("evals", "scenarios"):
        shutil.copytree(ROOT / name, tmp_path / name)
    text = (tmp_path / "evals" / "agents" / "retail.yaml").read_text(encoding="utf-8")
    for old, new in (*PAIR, *HARMLESS):
        assert text.count(old) == 1, old
        text = text.replace(old, new)
    (tmp_path / "new.yaml").write_text(text, encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_a_planted_pair_of_edits_is_found_among_harmless_ones(shop: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Of fourteen edits the two that break the script only together are the one reason, in few probes."""
    script = DAMAGE.relative_to(ROOT)
    words = ["--script", str(script), "--suite", "evals/retail.yaml", "--json"]
    assert main(["bisect", "evals/agents/retail.yaml", "new.yaml", *words]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["edits"] == len(PAIR) + len(HARMLESS)
    assert [[(edit["name"], edit["field"]) for edit in reason["edits"]] for reason in found["reasons"]] == [
        [("thanks", "match.any_words"), ("thanks", "outranks")]
    ]
    assert found["repaired"]
    assert found["probes"] <= 60


def test_twenty_turns_become_the_one_that_matters(shop: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Small talk of several scripts around a report of damage goes; the report, in few words, and its expectation stay."""
    write_long(shop)
    agent = Path("evals/agents/retail.yaml")
    text = agent.read_text(encoding="utf-8")
    assert main(["run", "evals/long.yaml", "--out", "good", "--report", "none", "-q"]) == 0, capsys.readouterr().out
    assert text.count(REFUND[0]) == 1
    agent.write_text(text.replace(*REFUND), encoding="utf-8")
    assert main(["run", "evals/long.yaml", "--out", "bad", "--report", "none", "-q"]) == 1
    capsys.readouterr()
    assert main(["minimise", "bad", "long", "--out", "small.yaml", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["before"]["turns"] == 20
    said = re.findall(r"(?m)^  - user: (.*)$", Path("small.yaml").read_text(encoding="utf-8"))
    assert found["after"] == {"turns": len(said), "words": sum(len(one.split()) for one in said), "expectations": 1, "stubs": 1}
    assert said == ["B-2400 scratched. Omar Haddad, 60614", "https://pics.example.com/lamp.jpg", "refund", "ok"]
    assert found["passes_on"] is None
