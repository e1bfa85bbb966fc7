"""The focal engine over real sockets: against an agent that is served, with and without real Focal's faults."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from focal_eval.document import Reader, read_text, record_of
from focal_eval.engines.auth import signed
from focal_eval.engines.base import HistoryTurn, SessionStart, Setting, ToolAnswer
from focal_eval.engines.embedded import Embedded
from focal_eval.engines.focal import Focal, tenant_claim
from focal_eval.errors import EngineError, EngineStatus, EngineUnauthorised, Refused, UsageError
from focal_eval.records import UNKNOWN, RuleMatch, ScenarioState, Tokens, ToolCall
from focal_eval.registry import find
from focal_eval.server.app import Options, make_app
from focal_eval.server.listen import in_background
from focal_eval.testing import engine_conformance
from tests.engines.focal_talks import TENANT, connected, focal, talk
from tests.engines.four_ways import observed, play

AGENT = """\
agent: shop
greeting: hello
rules:
  - {id: damaged, when: it is broken, match: {any_words: [broken]}, tools: lookup}
  - {id: thanks, match: {any_words: [thanks]}, template: welcome}
slots: {order: {pattern: '[A-Z]-\\d+', listen: always, ask: ask}}
scenarios:
  refund:
    enter: {rules: damaged}
    exit: {any_words: [forget it]}
    steps:
      - {id: which, collect: order, go: [{to: sure}]}
      - {id: sure, template: sure, go: [{to: done, when: {any_words: ["yes"]}}]}
      - {id: done, terminal: true, template: done}
tools:
  lookup: {returns: {total: 20}}
templates:
  hello: hi there
  ask: which order?
  sure: {text: "{{ order }},\\n  sure?", mode: EXCLUSIVE}
  done: paid
  welcome: you are welcome
  FALLBACK: {text: "I did not  get that.", mode: FALLBACK}
"""


@pytest.fixture(scope="module")
def agent(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("agent") / "shop.yaml"
    path.write_text(AGENT, encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def real(agent: Path) -> Iterator[str]:
    """A server that shows tools, scenarios and turns as wrongly as real Focal."""
    with in_background(make_app(Embedded(str(agent)).connect(Setting(Path())), Options(focal_quirks=True))) as url:
        yield url


@pytest.fixture(scope="module")
def ours(agent: Path) -> Iterator[str]:
    with in_background(make_app(Embedded(str(agent)).connect(Setting(Path())))) as url:
        yield url


SAID = ("thanks", "it is broken", "A-1", "forget it")


@pytest.mark.parametrize("stream", [False, True])
def test_a_conversation_with_real_focals_faults(real: str, stream: bool) -> None:
    """Names for ids, tools from the stored turns, exact texts, and what a lost turn leaves unknown."""
    replies, _ = talk(focal(real, stream=stream), *SAID)
    assert [reply.response for reply in replies[:3]] == ["you are welcome", "which order?", "A-1,\n  sure?"]
    assert replies[0].rules is not UNKNOWN
    assert [rule.name for rule in replies[0].rules] == ["thanks"]
    assert replies[0].rules[0].id is not None
    assert [reply.scenario for reply in replies[:3]] == [
        None,
        ScenarioState("refund", "which"),
        ScenarioState("refund", "sure"),
    ]
    assert [reply.tools for reply in replies[:3]] == [(), UNKNOWN, ()]
    lost = replies[1].metadata
    assert lost == {"provider_error": None, "holes": ["turn-not-stored"]}
    assert replies[0].tokens == Tokens(total=0)
    assert len({reply.session_id for reply in replies}) == 1
    assert len({reply.turn_id for reply in replies}) == 4
    assert {reply.first_token_ms is not None for reply in replies} == {stream}


def test_tools_are_read_from_the_stored_turn(tmp_path: Path) -> None:
    """The reply names none, the stored turn does, and the reply's metadata tells of the hole."""
    text = AGENT.replace("    enter: {rules: damaged}\n", "    enter: {rules: thanks}\n")
    (tmp_path / "shop.yaml").write_text(text, encoding="utf-8")
    app = make_app(Embedded(str(tmp_path / "shop.yaml")).connect(Setting(Path())), Options(focal_quirks=True))
    with in_background(app) as url:
        (reply,), stored = talk(focal(url), "it is broken")
    assert reply.tools == (ToolCall("lookup"),)
    assert reply.metadata == {"provider_error": None, "holes": ["tools-not-in-reply"]}
    assert [message.tools for message in stored] == [UNKNOWN, (ToolCall("lookup"),)]


def test_stored_messages_carry_their_turns_id(real: str) -> None:
    """The turn that began the scenario is missing; the others are matched by id, whatever their number says."""
    replies, stored = talk(focal(real), *SAID[:3])
    assert [(message.role, message.turn_id) for message in stored] == [
        ("user", replies[0].turn_id),
        ("assistant", replies[0].turn_id),
        ("user", replies[2].turn_id),
        ("assistant", replies[2].turn_id),
    ]
    assert [message.text for message in stored][1::2] == ["you are welcome", "A-1,\n  sure?"]


def test_more_turns_than_a_page_holds_are_all_read(real: str) -> None:
    """Of 105 turns every one is stored, found by its id while it is new, and in order at the end."""
    replies, stored = talk(focal(real), *(f"thanks {number}" for number in range(105)))
    assert all(reply.tools == () for reply in replies)
    assert [message.turn_id for message in stored[::2]] == [reply.turn_id for reply in replies]
    assert [message.text for message in stored[::2]] == [f"thanks {number}" for number in range(105)]


def test_what_is_not_read_is_not_reported(real: str) -> None:
    """Fewer requests, less known: the abilities say so before the run."""
    assert connected(focal(real)).abilities.reports == BASE | {"tools", "scenario"}
    assert connected(focal(real, stream=True)).abilities.reports == BASE | {"tools", "scenario", "variables"}
    assert connected(focal(real, reads=())).abilities.reports == BASE | {"scenario"}
    assert connected(focal(real, stream=True, reads=())).abilities.reports == BASE
    (reply,), _ = talk(focal(real, reads=()), "thanks")
    assert (reply.tools, reply.variables) == (UNKNOWN, UNKNOWN)
    (reply,), _ = talk(focal(real, stream=True, reads=()), "hm")
    assert (reply.response, reply.scenario) == ("I did not get that.", UNKNOWN)
    abilities = connected(focal(real)).abilities
    assert (abilities.seeds, abilities.stubs, abilities.speaks_first) == (frozenset(), False, False)


BASE = {"response", "rules", "tokens", "latency_ms", "metadata", "messages_stored"}


def test_variables_are_read_from_the_session(real: str) -> None:
    """They are reported where the suite asks for a request more."""
    replies, _ = talk(focal(real, reads=("turns", "session")), *SAID[:3])
    assert replies[2].variables is not UNKNOWN
    assert replies[2].variables["order"] == "A-1"


def test_each_case_is_a_new_user(real: str) -> None:
    """Two conversations of one case name do not go on with each other's session."""
    first, _ = talk(focal(real), "it is broken")
    second, _ = talk(focal(real), "thanks")
    assert first[0].session_id != second[0].session_id
    assert second[0].scenario is None


def test_real_focal_says_nothing_unasked(real: str) -> None:
    """It is not asked at all."""
    with pytest.raises(EngineError, match="Focal says nothing unasked"):
        talk(focal(real), None)


@pytest.mark.parametrize("named", ["shop", None])
def test_the_agent_is_found_by_name_or_because_it_is_alone(real: str, named: str | None) -> None:
    """A UUID need not be looked up by hand."""
    (reply,), _ = talk(focal(real, agent=named), "thanks")
    assert reply.response == "you are welcome"


@pytest.mark.parametrize(
    ("named", "error", "said"),
    [
        ("shopp", EngineError, "the tenant has no agent named 'shopp'; did you mean 'shop'"),
        ("6803b4ba-440f-4885-815b-bc7f8a9d23f8", EngineStatus, "Agent 6803b4ba-440f-4885-815b-bc7f8a9d23f8 not found"),
    ],
)
def test_an_agent_that_is_not_there_is_an_error(real: str, named: str, error: type[EngineError], said: str) -> None:
    """Focal would answer chats with it, so it is asked for before the first one."""
    with pytest.raises(error, match=said):
        talk(focal(real, agent=named), "thanks")


def test_aliases_rename_what_the_engine_reports(real: str, tmp_path: Path) -> None:
    """Scripts keep their words whatever the engine's operators call things."""
    text = "rules: {thanks: gratitude}\nscenarios: {refund: money-back}\nsteps: {refund/which: order}\n"
    (tmp_path / "names.yaml").write_text(text, encoding="utf-8")
    replies, _ = talk(focal(real, aliases="names.yaml"), *SAID[:2], root=tmp_path)
    assert replies[0].rules is not UNKNOWN
    assert replies[0].rules[0].name == "gratitude"
    assert replies[1].scenario == ScenarioState("money-back", "order")


@pytest.mark.parametrize(
    ("text", "said"), [("rule: {a: b}", "no key is named 'rule' here"), ("rules: [a]", "expected a mapping")]
)
def test_a_wrong_file_of_aliases_is_refused_with_its_place(tmp_path: Path, text: str, said: str) -> None:
    """Before anything is sent."""
    (tmp_path / "names.yaml").write_text(text, encoding="utf-8")
    with pytest.raises(Refused, match=r"names\.yaml cannot be read") as refused:
        connected(focal("http://127.0.0.1:9", aliases="names.yaml"), tmp_path)
    assert said in str(refused.value.diagnostics[0])


def test_sessions_are_deleted_where_the_suite_wants_it(real: str) -> None:
    """A server others use is left as it was."""

    async def gone() -> None:
        engine = connected(focal(real, delete_sessions=True))
        session = await engine.open(SessionStart("case-1"))
        reply = await session.send("thanks")
        await session.close()
        await session.close()
        with pytest.raises(EngineStatus, match="not found"):
            await engine._wire.request("GET", f"/v1/sessions/{reply.session_id}", safe=True)
        await engine.close()

    asyncio.run(gone())


def test_stored_messages_are_not_read_where_the_suite_wants_none(real: str) -> None:
    """A request less for each case; what was not read is unknown, and is not declared."""

    async def held() -> None:
        engine = connected(focal(real, stored=False))
        assert "messages_stored" not in engine.abilities.reports
        session = await engine.open(SessionStart("case-1"))
        await session.send("thanks")
        assert await session.stored() is UNKNOWN
        await engine.close()

    asyncio.run(held())


@pytest.mark.parametrize("stream", [False, True])
def test_the_served_engine_takes_seeds_and_stubs(ours: str, stream: bool) -> None:
    """What Focal's contract cannot carry goes both ways in a key of its own."""
    asked = []

    def stub(tool: str, arguments: Mapping[str, Any]) -> ToolAnswer | None:
        asked.append((tool, dict(arguments)))
        return ToolAnswer(error="gone", delay_ms=5)

    start = SessionStart(
        "case-1",
        variables={"order": "B-2"},
        history=(HistoryTurn("hi", "hello"),),
        stubs=stub,
    )
    (greeting, reply), stored = talk(focal(ours, served=True, stream=stream), None, "it is broken", start=start)
    assert greeting.response == "hi there"
    assert asked == [("lookup", {})]
    assert reply.tools == (ToolCall("lookup", {}, error="gone", duration_ms=5),)
    assert reply.variables is not UNKNOWN
    assert reply.variables["order"] == "B-2"
    assert reply.rules == (RuleMatch("damaged", 1.0),)
    assert [message.text for message in stored][:2] == ["hi there", "it is broken"]


def test_a_served_session_begins_in_a_scenario(ours: str) -> None:
    """`given: scenario` is sent with the first message."""
    (reply,), _ = talk(focal(ours, served=True), "A-7", start=SessionStart("case-1", scenario="refund/which"))
    assert reply.scenario == ScenarioState("refund", "sure")
    with pytest.raises(EngineStatus, match="Request validation failed") as problem:
        talk(focal(ours, served=True), "A-7", start=SessionStart("case-1", scenario="nowhere"))
    assert "nowhere" in str(problem.value.detail)


def test_a_served_agent_reports_what_the_embedded_one_does(ours: str, agent: Path) -> None:
    """The abilities are known before the server is asked, and whether it greets from its file."""
    embedded = Embedded(str(agent)).connect(Setting(Path())).abilities
    served = connected(focal(ours, served=True, agent_file_=str(agent))).abilities
    assert (served.reports, served.seeds, served.stubs) == (embedded.reports, embedded.seeds, embedded.stubs)
    assert served.speaks_first is True
    silent = agent.with_name("silent.yaml")
    silent.write_text(AGENT.replace("greeting: hello\n", ""), encoding="utf-8")
    assert connected(focal(ours, served=True, agent_file_=str(silent))).abilities.speaks_first is False


@pytest.mark.parametrize("keys", [{}, {"stream": True}, {"served": True}, {"served": True, "stream": True}])
def test_it_passes_the_kit(real: str, ours: str, keys: dict[str, Any]) -> None:
    """Four ways to ask, one set of promises."""
    engine_conformance(focal(ours if "served" in keys else real, **keys), messages=("thanks", "it is broken"))


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("{url: 'http://h', tenant: acme}", "'tenant' is 'acme'; a UUID is expected"),
        ("{url: 'http://h', served: true, reads: [turns]}", "'reads' has no use with 'served: true'"),
        ("{url: 'http://h', served: true, aliases: a.yaml}", "'aliases' has no use with 'served: true'"),
        ("{url: 'http://h', reads: [tools]}", "'tools' is not one of turns, session"),
        ("{tenant: acme}", "the key 'url' is missing"),
    ],
)
def test_a_wrong_entry_of_a_suite_is_refused(text: str, said: str) -> None:
    """With the place and the reason, before the run."""
    document = read_text(text, "suite.yaml")
    assert document.root is not None
    record_of(find("engines", "focal")).read(document.root, Reader(document))
    assert any(said in str(problem) for problem in document.problems.errors), list(map(str, document.problems))


def token_of(**claims: Any) -> str:
    import base64

    body = base64.urlsafe_b64encode(json.dumps(claims).encode()).decode().rstrip("=")
    return f"e30.{body}.c2ln"


def test_the_tenant_is_the_tokens_where_the_suite_names_none() -> None:
    """One that names another tenant is refused: Focal would answer, and show the session to nobody."""
    assert tenant_claim(token_of(tenant_id=TENANT)) == TENANT
    for other in ("x", "a.b.c", token_of(sub="me"), token_of(tenant_id="acme"), token_of(tenant_id=7)):
        assert tenant_claim(other) is None
    assert connected(Focal("http://h", token=token_of(tenant_id=TENANT)))._manner.tenant == TENANT
    other = token_of(tenant_id=TENANT.replace("5", "6"))
    with pytest.raises(UsageError, match="but its token is of the tenant"):
        connected(focal("http://h", token=other))
    with pytest.raises(UsageError, match="needs 'tenant', or a token that names one"):
        connected(Focal("http://h"))


def test_tokens_are_sent_and_signed(agent: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A development secret signs for the tenant; a server that asks for a token lets nobody else in."""
    secret = "a secret of at least thirty-two bytes"
    app = make_app(Embedded(str(agent)).connect(Setting(Path())), Options(jwt_secret=secret))
    monkeypatch.setenv("SHOP_SECRET", secret)
    monkeypatch.setenv("OTHER_SECRET", secret[::-1])
    (tmp_path / "token").write_text(signed({"tenant_id": TENANT}, secret, Setting(Path())) + "\n", encoding="utf-8")
    with in_background(app) as url:
        for keys in ({"dev_secret_env": "SHOP_SECRET"}, {"token_file": "token", "tenant": None}):
            (reply,), stored = talk(focal(url, **keys), "thanks", root=tmp_path)
            assert (reply.response, len(stored)) == ("you are welcome", 2)
        with pytest.raises(EngineUnauthorised, match="401: Missing authentication token"):
            talk(focal(url), "thanks")
        with pytest.raises(EngineUnauthorised, match="401: Invalid or expired token"):
            talk(focal(url, dev_secret_env="OTHER_SECRET"), "thanks")


HOLES = ("scenario-start-not-stored", "turn-number-wrong", "scenario-not-stored", "tools-not-in-reply")


def test_the_page_has_a_paragraph_for_every_hole() -> None:
    """What a suite may tolerate of real Focal is described, and the suite shown there tolerates just that."""
    page = (Path(__file__).resolve().parents[2] / "docs" / "reference" / "focal.md").read_text(encoding="utf-8")
    part = page.partition("## What is stored wrongly")[2].partition("\n## ")[0]
    assert sorted(re.findall(r"^\*\*`([a-z-]+)`\.\*\*", part, re.MULTILINE)) == sorted(HOLES)
    assert f"tolerate: [{', '.join(sorted(HOLES))}]" in part


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("missing", [None, *HOLES])
def test_a_suite_tolerates_the_holes_by_their_names(real: str, tmp_path: Path, missing: str | None, stream: bool) -> None:
    """Each hole of real Focal is a finding with a name; a suite that lives with all of them passes, with all but one fails."""
    script = """\
turns:
  - {user: thanks, expect: {rules: {includes: [thanks]}, tools: {none: true}}}
  - {user: it is broken, expect: {scenario: refund/which, tools: [lookup]}}
  - {user: A-1, expect: {scenario: refund/sure, response: {contains: sure}}}
  - {user: it is broken again, expect: {tools: [lookup]}}
conversation: [records: consistent]
"""
    tolerate = f"tolerate: [{', '.join(name for name in HOLES if name != missing)}]\nunreported: skip\n"
    failed = 0 if missing is None else 1
    keys = f"tenant: {TENANT}, stream: {str(stream).lower()}, reads: [turns, session]"
    (tmp_path / "talk.yaml").write_text(script, encoding="utf-8")
    suite = f"scripts: [talk.yaml]\nengine: {{kind: focal, url: '{real}', {keys}}}\n{tolerate}"
    (tmp_path / "suite.yaml").write_text(suite, encoding="utf-8")
    result = play(tmp_path / "suite.yaml", tmp_path / "run", None)
    assert result.model.counts["failed"] == failed
    (case,) = observed(tmp_path / "run").values()
    assert [one["outcome"] for one in case["turns"][1]["results"]] == ["passed", "skipped"], "its tools are not known"
    found = [(finding["name"], finding.get("tolerated", False)) for one in case["results"] for finding in one["findings"]]
    assert {name for name, _ in found} == set(HOLES)
    assert {name for name, lives in found if not lives} == ({missing} if missing else set())


def test_the_page_names_every_key() -> None:
    """The table of keys in docs/reference/focal.md is the configuration's."""
    page = (Path(__file__).resolve().parents[2] / "docs" / "reference" / "focal.md").read_text(encoding="utf-8")
    table = page.partition("| key | default | meaning |")[2].partition("\n\n")[0]
    assert re.findall(r"^\| `(\w+)`", table, re.MULTILINE) == [*record_of(Focal).entries]
