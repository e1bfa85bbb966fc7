"""The `openai` engine on a stub, and the stub before OpenAI's own SDK: neither is merely consistent with itself."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from pydantic import TypeAdapter

from focal_eval.engines.base import HistoryTurn, SessionStart, Setting, ToolAnswer
from focal_eval.engines.openai import OpenAI, ToolText
from focal_eval.engines.openai_messages import StreamedCompletion, completion_of
from focal_eval.errors import EngineError, EngineProtocol, Refused
from focal_eval.records import UNKNOWN, Tokens, ToolCall
from focal_eval.testing import engine_conformance
from tests.engines.openai_stub import PATH, complete, message_of
from tests.engines.vendor_stub import TOKEN, Stub, as_json, engine_of, frame, served, streamed, talk

AGENT = """\
agent: shop
rules:
  - {id: hi, when: the user greets, match: {any_words: [hi]}, then: greet back, template: hi}
slots: {order: {pattern: '[A-Z]-\\d+', listen: always, ask: hi}}
tools:
  lookup: {args: {id: order}, answers: [{when: {id: A-1}, returns: {total: 20}}]}
  empty: {args: {id: order}}
templates: {hi: hello, sorry: {text: pardon?, mode: FALLBACK}}
"""


@pytest.fixture(scope="module")
def server() -> Iterator[Stub]:
    with served({("POST", PATH): complete}, Stub()) as stub:
        yield stub


@pytest.fixture
def stub(server: Stub) -> Stub:
    server.heard.clear()
    server.next.clear()
    return server


def model(stub: Stub, **keys: Any) -> OpenAI:
    return OpenAI(f"{stub.url}/v1", "small-1", **{"token": TOKEN, **keys})


def stubs(**answers: ToolAnswer) -> SessionStart:
    return SessionStart("case-1", stubs=lambda name, arguments: answers.get(name))


@pytest.mark.parametrize("stream", [False, True])
def test_a_conversation_is_sent_whole_each_time(stub: Stub, stream: bool) -> None:
    """Prompt, known facts, history and every turn go along; the reply has text, tokens, model, reason, and the time it took."""
    start = SessionStart("c", variables={"tier": "gold"}, history=(HistoryTurn("before", "yes"),), seed=7)
    config = model(stub, prompt="Be kind.", stream=stream, reasoning=True)
    first, second = talk(config, "hello", "and now?", start=start).replies
    assert (first.response, second.response) == ("2: hello", "3: and now?")
    assert (first.tokens, first.model, first.finish_reason) == (Tokens(6, 4, 2), "small-1", "stop")
    assert (first.reasoning, first.tools, first.metadata) == ("It is simple.", (), {"rounds": 1})
    assert (first.first_token_ms is not None) == stream
    assert first.session_id == second.session_id
    body = stub.bodies(PATH)[1]
    assert body["messages"] == [
        {"role": "system", "content": 'Be kind.\n\nKnown of this user: {"tier":"gold"}'},
        {"role": "user", "content": "before"},
        {"role": "assistant", "content": "yes"},
        {"role": "user", "content": "hello"},
        {"role": "assistant", "content": "2: hello"},
        {"role": "user", "content": "and now?"},
    ]
    rest = {key: value for key, value in body.items() if key != "messages"}
    asked = {"stream": True, "stream_options": {"include_usage": True}} if stream else {}
    assert rest == {"model": "small-1", "temperature": 0.0, "seed": 7, **asked}


@pytest.mark.parametrize("stream", [False, True])
def test_tools_are_answered_by_the_script(stub: Stub, stream: bool) -> None:
    """The loop: the model calls, the stub answers, the model goes on; both texts and the call are in the reply."""
    config = model(stub, stream=stream, tools={"find.it": _tool()})
    start = SessionStart("c", stubs=lambda name, arguments: ToolAnswer({"name": name, **arguments}, delay_ms=5))
    (reply,) = talk(config, 'look: call find_it {"a":1}', start=start).replies
    assert reply.response == 'Let me look.\n\nThe tool says {"name":"find.it","a":1}.'
    assert reply.messages == ("Let me look.", 'The tool says {"name":"find.it","a":1}.')
    assert reply.tools == (
        ToolCall("find.it", {"a": 1}, {"name": "find.it", "a": 1}, duration_ms=5, id="call_0", type="function"),
    )
    assert reply.tokens == Tokens(1 + 2 + 3 + 2, 1 + 3, 4)
    assert [tool["function"]["name"] for tool in stub.bodies(PATH)[0]["tools"]] == ["find_it"]
    assert [one["role"] for one in stub.bodies(PATH)[1]["messages"]] == ["user", "assistant", "tool"]


def _tool() -> ToolText:
    return ToolText("Finds it")


def test_parallel_calls_share_a_group_and_errors_are_told(stub: Stub) -> None:
    """Calls of one message belong together; a stub's error, an unknown tool and broken arguments reach the model as errors."""
    config = model(stub, tools={"down": _tool()})
    said = 'call down {"a":1} call nobody {} call down [1]'
    (reply,) = talk(config, said, start=stubs(down=ToolAnswer(error="no line"))).replies
    assert reply.tools is not UNKNOWN
    assert [(call.name, call.error, call.group) for call in reply.tools] == [
        ("down", "no line", 0),
        ("nobody", "there is no tool 'nobody'", 0),
        ("down", "the arguments are no JSON object: [1]", 0),
    ]
    assert reply.tools[2].arguments is UNKNOWN
    told = [json.loads(one["content"]) for one in stub.bodies(PATH)[1]["messages"] if one["role"] == "tool"]
    assert told[0] == {"error": "no line"}


def test_an_agent_file_gives_prompt_tools_and_answers(stub: Stub, tmp_path: Path) -> None:
    """Where the script has no stub the agent file answers; what neither answers is said to the model."""
    (tmp_path / "shop.yaml").write_text(AGENT, encoding="utf-8")
    config = model(stub, agent="shop.yaml")
    assert config.agent_file(Setting(tmp_path)) == tmp_path / "shop.yaml"
    said = 'call lookup {"id":"A-1"} call empty {"id":"A-1"} call lookup {"id":"B-2"}'
    (reply,) = talk(config, said, start=stubs(), root=tmp_path).replies
    assert reply.tools is not UNKNOWN
    assert [(call.result, call.error) for call in reply.tools] == [
        ({"total": 20}, None),
        (UNKNOWN, "neither the script nor the agent file answers it"),
        (UNKNOWN, "no answer fits these arguments"),
    ]
    body = stub.bodies(PATH)[0]
    assert body["messages"][0]["content"].startswith("You are shop.\n")
    assert [tool["function"]["name"] for tool in body["tools"]] == ["lookup", "empty"]


def test_a_model_that_never_answers_is_stopped(stub: Stub) -> None:
    """The loop has a bound; the turn is an error, and the conversation goes on as if it had not been."""
    again = {"role": "assistant", "tool_calls": [{"id": "x", "function": {"name": "t", "arguments": "{}"}}]}
    stub.next = [as_json({"choices": [{"message": again, "finish_reason": "tool_calls"}]}) for _ in range(3)]
    with pytest.raises(EngineError, match="called tools more than 2 times without an answer, the last ones were t, t, t"):
        talk(model(stub, max_rounds=2, tools={"t": _tool()}), "hi", start=stubs(t=ToolAnswer("x")))
    assert len(stub.bodies(PATH)) == 3


def test_a_turn_that_broke_leaves_no_trace(stub: Stub) -> None:
    """What was said in it is not sent again."""
    import asyncio

    from focal_eval.clock import Clock

    async def broken_then_good() -> str:
        engine = model(stub).connect(Setting(Path(), Clock()))
        session = await engine.open(SessionStart("c"))
        stub.next = [as_json({"choices": []})]
        with pytest.raises(EngineProtocol, match="no choices"):
            await session.send("first")
        reply = await session.send("second")
        await engine.close()
        return str(reply.response)

    assert asyncio.run(broken_then_good()) == "1: second"


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (
            (400, {"error": {"message": "no such model", "type": "invalid_request_error", "code": "model_not_found"}}),
            "no such model",
        ),
        ((401, {"error": {"message": "Incorrect API key provided"}}), "Incorrect API key|401"),
        ((500, {"error": {"message": "boom"}}), "boom"),
        ((200, {"error": {"message": "overloaded"}}), "overloaded"),
    ],
)
def test_an_error_envelope_is_an_engine_error(stub: Stub, answer: tuple[int, Any], said: str) -> None:
    """What the endpoint says of it is in the message."""
    stub.next = [as_json(answer[1], answer[0])] * 3
    with pytest.raises(EngineError, match=said):
        talk(model(stub), "hi")


def test_a_stream_that_breaks_off_is_an_error(stub: Stub) -> None:
    """An answer without its end is none."""
    chunk = {"choices": [{"index": 0, "delta": {"content": "Hel"}, "finish_reason": None}]}
    stub.next = [streamed([frame(None, chunk)])]
    with pytest.raises(EngineProtocol, match="after 'Hel'"):
        talk(model(stub, stream=True), "hi")


def test_the_token_is_sent_and_a_wrong_one_is_told(stub: Stub) -> None:
    """A request without the right token does not pass."""
    with pytest.raises(EngineError, match=r"401|Invalid Secret"):
        talk(model(stub, token="wrong"), "hi")
    talk(model(stub), "hi")
    assert stub.heard[-1].headers["authorization"] == f"Bearer {TOKEN}"


def test_what_the_suite_says_decides_the_request(stub: Stub) -> None:
    """Every key of the request that the suite may set, and those it leaves to the endpoint."""
    yaml = f"""\
url: {stub.url}/v1
model: small-1
token: {TOKEN}
temperature: null
seeded: false
stream: true
stream_usage: false
extra: {{max_completion_tokens: 9, seed: 3}}
tools: {{a: {{description: does a, parameters: {{type: object, properties: {{x: {{type: string}}}}}}}}}}
headers: {{X-Gateway: "key-1"}}
query: {{api-version: "2026-01"}}
"""
    config = engine_of("openai", yaml)
    (reply,) = talk(config, "hi").replies
    assert (reply.response, reply.tokens) == ("1: hi", UNKNOWN)
    assert "tokens" not in config.connect(Setting(Path())).abilities.reports  # nobody asked the endpoint to count
    assert (stub.heard[0].headers["x-gateway"], stub.heard[0].query) == ("key-1", {"api-version": "2026-01"})
    assert "key-1" not in repr(config)
    config.connect(setting := Setting(Path()))
    assert "key-1" in setting.secrets
    body = stub.bodies(PATH)[0]
    assert {key: value for key, value in body.items() if key not in ("messages", "tools")} == {
        "model": "small-1", "max_completion_tokens": 9, "seed": 3, "stream": True,
    }  # fmt: skip
    assert body["tools"][0]["function"]["parameters"]["properties"] == {"x": {"type": "string"}}


def test_what_cannot_be_is_refused(stub: Stub, tmp_path: Path) -> None:
    """Keys that are the engine's own, a bound below one, and two tools of one name."""
    with pytest.raises(ValueError, match="'extra' may not set 'messages'"):
        model(stub, extra={"messages": []})
    with pytest.raises(ValueError, match="'max_rounds' must be above 0"):
        model(stub, max_rounds=0)
    with pytest.raises(ValueError, match="'headers' may not set 'Authorization'; a bearer token is given by 'token'"):
        model(stub, headers={"Authorization": "Basic x"})
    (tmp_path / "shop.yaml").write_text(AGENT, encoding="utf-8")
    with pytest.raises(Refused, match="declares the tool 'lookup' already"):
        model(stub, agent="shop.yaml", tools={"lookup": _tool()}).connect(Setting(tmp_path))


def test_nothing_is_said_unasked_and_nothing_is_kept(stub: Stub) -> None:
    """The endpoint stores no messages, and speaks only when spoken to."""
    assert talk(model(stub), "hi").stored is UNKNOWN
    with pytest.raises(EngineError, match="says nothing unasked"):
        talk(model(stub), None)


@pytest.mark.parametrize("stream", [False, True])
def test_the_engine_keeps_the_contract(stub: Stub, stream: bool) -> None:
    """The kit that every engine is held to."""
    engine_conformance(model(stub, stream=stream), messages=("hello", "and now?"))


# OpenAI's own SDK as the referee

REASON = "OpenAI's SDK is not installed: pip install openai"


def client(stub: Stub) -> Any:
    sdk = pytest.importorskip("openai", reason=REASON)
    return sdk.OpenAI(base_url=f"{stub.url}/v1", api_key=TOKEN, max_retries=0)


def dumped(model: Any) -> Any:
    """What the SDK understood, as JSON."""
    return json.loads(model.model_dump_json(exclude_none=True))


@pytest.mark.parametrize("words", ["hello", 'look: call find {"a":1}'])
def test_the_sdk_reads_the_stub_as_the_engine_does(stub: Stub, words: str) -> None:
    """An answer and a call, whole and streamed: dumped by the SDK's models and read by our mapping they are the same."""
    sdk = client(stub)
    asked = {"model": "small-1", "messages": [{"role": "user", "content": words}]}
    whole = completion_of(dumped(sdk.chat.completions.create(**asked)))
    pieces = StreamedCompletion()
    for chunk in sdk.chat.completions.create(**asked, stream=True, stream_options={"include_usage": True}):
        pieces.take(dumped(chunk))
    assert pieces.whole() == whole
    message, finish = message_of(asked)
    assert (whole.text, whole.finish, whole.tokens) == (message["content"], finish, Tokens(3, 1, 2))
    assert [(call.name, call.arguments) for call in whole.calls] == [
        (call["function"]["name"], call["function"]["arguments"]) for call in message.get("tool_calls", [])
    ]


@pytest.mark.parametrize("stream", [False, True])
def test_the_sdk_would_have_sent_what_the_engine_sends(stub: Stub, stream: bool) -> None:
    """Our requests, sent once more by the SDK, are the same on the wire."""
    sdk = client(stub)
    config = model(stub, prompt="Be kind.", stream=stream, tools={"find": _tool()})
    talk(config, 'look: call find {"a":1}', start=stubs(find=ToolAnswer("found")))
    ours = stub.bodies(PATH)
    stub.heard.clear()
    for body in ours:
        sdk.chat.completions.create(**body)
    assert stub.bodies(PATH) == ours


@pytest.mark.parametrize("stream", [False, True])
def test_both_sides_are_valid_by_the_sdks_types(stub: Stub, stream: bool) -> None:
    """The SDK's client checks little by itself: its models are strict with the stub's answers, its types with our requests."""
    kinds = pytest.importorskip("openai.types.chat", reason=REASON)
    params = pytest.importorskip("openai.types.chat.completion_create_params", reason=REASON)
    talk(model(stub, prompt="Be kind.", stream=stream, tools={"find": _tool()}), 'call find {"a":1}', start=stubs())
    asked = params.CompletionCreateParamsStreaming if stream else params.CompletionCreateParamsNonStreaming
    for body in stub.bodies(PATH):
        assert set(body) <= set(asked.__annotations__) | set(params.CompletionCreateParamsBase.__annotations__)
        TypeAdapter(asked).validate_python(body)
        with httpx.stream("POST", f"{stub.url}{PATH}", json=body, headers={"authorization": f"Bearer {TOKEN}"}) as answer:
            text = answer.read().decode()
        told = [part.removeprefix("data: ") for part in text.split("\n\n") if part] if stream else [text]
        for part in told:
            if part != "[DONE]":
                (kinds.ChatCompletionChunk if stream else kinds.ChatCompletion).model_validate_json(part, strict=True)


def test_the_sdk_refuses_what_the_engine_refuses(stub: Stub) -> None:
    """An error envelope is an error to both."""
    sdk = client(stub)
    errors = pytest.importorskip("openai", reason=REASON)
    stub.next = [as_json({"error": {"message": "no such model", "code": "model_not_found"}}, 404)]
    with pytest.raises(errors.NotFoundError, match="no such model"):
        sdk.chat.completions.create(model="x", messages=[{"role": "user", "content": "hi"}])
