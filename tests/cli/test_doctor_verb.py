"""`focal-eval doctor`: five lines on any engine, whatever state it is in; never a traceback."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

pytest.importorskip("starlette", reason="the servers need starlette and uvicorn: pip install 'focal-eval[serve]'")

from focal_eval.cli import main
from focal_eval.engines import Setting
from focal_eval.engines.embedded import Embedded
from focal_eval.registry import BUILTIN, find, names
from focal_eval.server.app import Options, make_app
from focal_eval.server.listen import in_background
from focal_eval.testing.hostile_server import Heard, Said, hostile_server, refused
from focal_eval.testing.misdeeds import MISDEEDS
from tests.engines.vendor_stub import TOKEN, Stub, as_json, served
from tests.server.client import AGENT

SECRET = "a secret that is long enough for HS256, by far"
Doctor = Callable[..., tuple[int, list[str]]]


@pytest.fixture
def doctor(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Doctor:
    """The exit code and the lines for an engine's entry."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "agent.yaml").write_text(AGENT, encoding="utf-8")

    def call(entry: str, *words: str) -> tuple[int, list[str]]:
        (tmp_path / "suite.yaml").write_text(f"scripts: [x.yaml]\nengine: {entry}\n", encoding="utf-8")
        code = main(["doctor", "suite.yaml", *words])
        seen = capsys.readouterr()
        assert "Traceback" not in seen.out + seen.err
        return code, (seen.out if code in (0, 3) else seen.err).rstrip("\n").split("\n")

    return call


@pytest.fixture
def url(tmp_path: Path) -> Iterator[str]:
    """The agent behind Focal's contract; it asks for tokens."""
    (tmp_path / "agent.yaml").write_text(AGENT, encoding="utf-8")
    engine = Embedded("agent.yaml").connect(Setting(tmp_path))
    with in_background(make_app(engine, Options(jwt_secret=SECRET))) as address:
        yield address


def labels(lines: list[str]) -> list[str]:
    return [line.split(" ", 1)[0] for line in lines]


FIVE = ["engine", "reachable", "authorised", "reports", "names"]


def test_a_served_agent_in_five_lines(doctor: Doctor, url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its address, its agent, a round trip, what it promises, and the names of its lists beside the agent file's."""
    monkeypatch.setenv("SECRET", SECRET)
    code, lines = doctor(f"{{kind: focal, url: '{url}', served: true, dev_secret_env: SECRET, agent_file: agent.yaml}}")
    assert (code, labels(lines)) == (0, FIVE)
    assert lines[0] == f"engine      engine (focal) at {url}, agent shop"
    assert lines[1].startswith("reachable   yes, ")
    assert lines[1].endswith(" ms a round trip (GET /health)")
    assert lines[2] == "authorised  yes, by GET /v1/agents"
    assert "candidates" in lines[3].partition("; not ")[0]
    assert "tokens" in lines[3].partition("; not ")[2]
    assert lines[4].endswith("those of agent.yaml")


def test_what_the_agent_file_has_and_the_server_lacks(
    doctor: Doctor, url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Rules by name, on both sides."""
    monkeypatch.setenv("SECRET", SECRET)
    (tmp_path / "other.yaml").write_text(AGENT.replace("id: thanks", "id: gratitude"), encoding="utf-8")
    code, lines = doctor(f"{{kind: focal, url: '{url}', served: true, dev_secret_env: SECRET, agent_file: other.yaml}}")
    assert code == 0
    assert lines[4].endswith("of other.yaml it lacks gratitude; and has besides thanks")


@pytest.mark.parametrize("more", ["", ", token: not-the-right-one"])
def test_a_token_that_does_not_let_in(doctor: Doctor, url: str, more: str) -> None:
    """It is there, it does not let us in: exit code 3, and the server's own words."""
    code, lines = doctor(f"{{kind: focal, url: '{url}', served: true{more}}}")
    assert (code, labels(lines)) == (3, FIVE)
    assert lines[1] == "reachable   yes"
    assert lines[2].startswith("authorised  no: ")
    assert "401" in lines[2]
    assert "not-the-right-one" not in "".join(lines)


def test_a_turn_is_made_on_demand_only(doctor: Doctor, url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """With a message the fields are those that a real turn held, and how much of each."""
    monkeypatch.setenv("SECRET", SECRET)
    entry = f"{{kind: focal, url: '{url}', served: true, dev_secret_env: SECRET}}"
    code, lines = doctor(entry, "--message", "thanks")
    assert code == 0
    assert lines[3].startswith("reports     in a turn of ")
    assert "rules (1)" in lines[3]
    assert "tools (none)" in lines[3]


def test_nobody_listens(doctor: Doctor) -> None:
    """Exit code 3, with the reason of the refused connection."""
    with refused() as url:
        code, lines = doctor(f"{{kind: openai, url: '{url}', model: m, faults: {{attempts: 1}}}}")
    assert (code, labels(lines)) == (3, FIVE)
    assert "connection refused" in lines[1]
    assert (lines[2], lines[4]) == ("authorised  not known", "names       not known")


VENDORS = {
    "openai": ("model: m", ("GET", "/models")),
    "glean": ("", ("POST", "/rest/api/v1/listchats")),
    "mix": ("", ("GET", "/api/sessions")),
    "pipeshub": ("", ("GET", "/conversations")),
}


@pytest.mark.parametrize("kind", VENDORS)
@pytest.mark.parametrize("there", [True, False])
def test_the_other_remote_engines(doctor: Doctor, kind: str, there: bool) -> None:
    """Each asks for something that changes nothing; where the server has no such list only a turn could tell."""
    more, request = VENDORS[kind]

    async def answer(heard: object) -> object:
        return as_json({})

    stub = Stub()
    with served({request if there else ("GET", "/elsewhere"): answer}, stub, token=TOKEN if there else None):  # type: ignore[dict-item]
        entry = f"{{kind: {kind}, url: '{stub.url}', token: {TOKEN}{', ' + more if more else ''}}}"
        code, lines = doctor(entry)
        assert (code, labels(lines)) == (0, FIVE)
        assert lines[0] == f"engine      engine ({kind}) at {stub.url}"
        assert lines[1].endswith(f" ms a round trip ({' '.join(request)})")
        said = f"yes, by {' '.join(request)}" if there else "not known without a turn (--message TEXT)"
        assert lines[2] == f"authorised  {said}"
        assert {(one.method, one.path) for one in stub.heard} == ({request} if there else set())
        if there:
            code, lines = doctor(entry.replace(TOKEN, "another-token"))
            assert (code, lines[1]) == (3, "reachable   yes")
            assert lines[2].startswith("authorised  no: ")


@pytest.mark.parametrize("deed", [name for name, deed in MISDEEDS.items() if deed.of != "stream" and not deed.blind])
def test_a_server_that_misbehaves(doctor: Doctor, deed: str) -> None:
    """HTML, silence, a flood, a bomb, a broken connection: a reason in one line, in time, and exit code 3."""

    async def good(heard: Heard) -> Said:
        return Said(b'{"data": [{"id": "m"}]}')

    with hostile_server(good, {deed: MISDEEDS[deed].act}, mark=lambda heard: deed.encode()) as server:
        entry = f"{{kind: openai, url: '{server.url}', model: m, faults: {{attempts: 1, request_timeout_s: 1}}}}"
        code, lines = doctor(entry, "--timeout", "1")
    assert labels(lines) == FIVE
    assert max(map(len, lines)) < 2000
    assert code == 3 or lines[1].startswith("reachable   yes, ")


LOCAL = {
    "embedded": "agent: agent.yaml",
    "callable": "target: talk.py:answer",
    "cassette": "file: c.jsonl",
    "rivescript": "brain: b.rive",
}


@pytest.mark.parametrize("kind", LOCAL)
def test_an_engine_of_this_process_says_so(doctor: Doctor, kind: str, tmp_path: Path) -> None:
    """There is nothing to reach, and nobody to ask for leave."""
    (tmp_path / "talk.py").write_text("def answer(message, conversation):\n    return 'hello'\n", encoding="utf-8")
    (tmp_path / "b.rive").write_text("+ hello\n- Hello.\n", encoding="utf-8")
    conversation = {"t": "conversation", "key": "a", "turns": [{"user": "hello", "reply": {"response": "Hi."}}]}
    lines = [{"t": "cassette", "format": 1, "origin": {"format": "tau-bench"}}, conversation]
    (tmp_path / "c.jsonl").write_text("\n".join(map(json.dumps, lines)) + "\n", encoding="utf-8")
    code, told = doctor(f"{{kind: {kind}, {LOCAL[kind]}}}")
    assert (code, labels(told)) == (0, FIVE)
    assert told[1:3] == ["reachable   it runs in this process", "authorised  nothing to ask for"]


def test_every_engine_is_tried_here() -> None:
    """An engine that is registered later needs its line in this file."""
    assert set(names("engines", installed=False)) == {*LOCAL, *VENDORS, "focal"}


PLUGIN = """
from dataclasses import dataclass
from focal_eval.testing import ScriptedEngine

@dataclass(frozen=True, slots=True)
class Plain:
    broken: bool = False

    def connect(self, setting):
        engine = ScriptedEngine([RuntimeError("a bug")] if self.broken else ["hello"])
        return engine

    def agent_file(self, setting):
        return None
"""


@pytest.fixture
def plain(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A plug-in that knows nothing of the doctor."""
    (tmp_path / "plain_engine.py").write_text(PLUGIN, encoding="utf-8")
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setitem(BUILTIN["engines"], "plain", "plain_engine:Plain")
    find.cache_clear()
    yield
    find.cache_clear()
    sys.modules.pop("plain_engine", None)


@pytest.mark.usefixtures("plain")
def test_an_engine_that_cannot_be_probed(doctor: Doctor) -> None:
    """What is not known is said to be so; a turn finds out."""
    code, lines = doctor("{kind: plain}")
    assert code == 0
    assert lines[1] == "reachable   not known without a turn (--message TEXT)"
    assert lines[2] == "authorised  not known without a turn (--message TEXT)"
    code, lines = doctor("{kind: plain}", "--message", "hello")
    assert (code, lines[1], lines[2]) == (0, "reachable   yes", "authorised  yes, by the turn")
    code, lines = doctor("{kind: plain, broken: true}", "--message", "hello")
    assert code == 3
    assert lines[1] == "reachable   not as plain: the engine's adapter raised RuntimeError: a bug"


def test_one_document_on_demand(doctor: Doctor, url: str) -> None:
    """`--json` tells the same."""
    code, lines = doctor(f"{{kind: focal, url: '{url}', served: true}}", "--json")
    document = json.loads("\n".join(lines))
    assert (code, document["exit_code"], document["reachable"], document["authorised"]) == (3, 3, True, False)
    assert "401" in document["problem"]


def test_where_the_server_is_is_told(doctor: Doctor, url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Host and port are what somebody who looks for a fault needs first, also where they come from the environment."""
    monkeypatch.setenv("WHERE", url)
    monkeypatch.setenv("SECRET", SECRET)
    entry = "{kind: focal, url: '${WHERE}', served: true, dev_secret_env: SECRET}"
    code, lines = doctor(entry)
    assert (code, f" at {url}" in lines[0]) == (0, True)
    code, lines = doctor("{kind: focal, url: '${WHERE}', served: true}")
    assert (code, lines[4]) == (3, "names       not known")
    assert lines[0].endswith(f" at {url}")
    with refused() as nobody:
        monkeypatch.setenv("WHERE", nobody)
        code, lines = doctor(entry)
    assert (code, lines[1].count(nobody)) == (3, 1)


def test_what_came_from_the_environment_is_not_shown(doctor: Doctor, url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """An address that holds a key is as secret as a token, in lines and in JSON."""
    url = f"{url}/of-key-4711"
    monkeypatch.setenv("WHERE", url)
    monkeypatch.setenv("SECRET", SECRET)
    entry = "{kind: focal, url: '${WHERE}', served: true, dev_secret_env: SECRET}"
    for words in ((), ("--json",)):
        code, lines = doctor(entry, *words)
        assert (code, "4711" in "".join(lines), "[redacted]" in "".join(lines)) == (3, False, True)


@pytest.mark.parametrize(
    ("entry", "words", "problem"),
    [
        ("{kind: embedded, agent: agent.yaml}", ("--engine", "served"), "has no engine 'served'"),
        (
            "{kind: embedded, agent: agnt.yaml}",
            (),
            "error[missing-agent]: there is no agent file agnt.yaml; did you mean 'agent.yaml'?",
        ),
        ("{kind: embeded, agent: agent.yaml}", (), "did you mean 'embedded'?"),
        ("{kind: openai, url: '${NOT_SET_ANYWHERE}', model: m}", (), "NOT_SET_ANYWHERE is not set"),
        ("{kind: callable, target: 'talk.py:answer'}", ("--no-python",), "switched off by --no-python"),
    ],
)
def test_a_wrong_suite_is_refused(doctor: Doctor, entry: str, words: tuple[str, ...], problem: str) -> None:
    """Exit code 2, with place and fix as everywhere."""
    code, lines = doctor(entry, *words)
    assert code == 2
    assert problem in "\n".join(lines)


def test_the_suite_may_be_left_out_where_there_is_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The one in `evals/` is meant; of two, one must be named."""
    monkeypatch.chdir(tmp_path)
    assert main(["doctor"]) == 2
    assert "evals/ holds none" in capsys.readouterr().err
    (tmp_path / "evals").mkdir()
    (tmp_path / "evals" / "agent.yaml").write_text(AGENT, encoding="utf-8")
    suite = "scripts: [x.yaml]\nengine: {kind: embedded, agent: agent.yaml}\n"
    (tmp_path / "evals" / "agent.yaml").rename(tmp_path / "evals" / "agent.yml")
    (tmp_path / "evals" / "shop.yaml").write_text(suite.replace("agent.yaml", "agent.yml"), encoding="utf-8")
    assert main(["doctor"]) == 0
    (tmp_path / "evals" / "other.yaml").write_text(suite, encoding="utf-8")
    capsys.readouterr()
    assert main(["doctor"]) == 2
    assert "evals/ holds 2: evals/other.yaml, evals/shop.yaml" in capsys.readouterr().err
