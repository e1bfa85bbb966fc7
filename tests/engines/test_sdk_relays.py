"""Every engine behind the vendor's own SDK: what its models dump is read as what the stub says itself, streamed and not."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

import pytest

from focal_eval.engines.base import SessionStart, Setting, ToolAnswer
from focal_eval.engines.glean import Glean
from focal_eval.engines.mix import Mix
from focal_eval.engines.openai import OpenAI, ToolText
from focal_eval.engines.pipeshub import PipesHub
from focal_eval.records import UNKNOWN, MessageRecord, Reply, UnknownType
from focal_eval.testing.engines import settled
from tests.engines import sdk_relay
from tests.engines.glean_stub import Assistant
from tests.engines.mix_stub import MixServer
from tests.engines.openai_stub import PATH, complete
from tests.engines.pipeshub_stub import BASE, Hub
from tests.engines.vendor_stub import TOKEN, Answering, Stub, Talk, served, talk

Routes = dict[tuple[str, str], Answering]


@dataclass(frozen=True)
class Vendor:
    """A system: its stub's routes, the SDK in between, the engine for a URL, and what is said."""

    routes: Callable[[], Routes]
    relay: Callable[[Stub], Routes]
    engine: Callable[[str, bool], Any]
    said: tuple[str, ...]
    token: str | None = TOKEN


VENDORS = {
    "openai": Vendor(
        lambda: {("POST", PATH): complete},
        sdk_relay.openai_relay,
        lambda url, stream: OpenAI(
            f"{url}/v1", "small-1", token=TOKEN, stream=stream, reasoning=True, tools={"find": ToolText()}
        ),
        ("hello", 'look: call find {"a":1}', "call find {} call find {}"),
    ),
    "glean": Vendor(
        lambda: Assistant().routes(),
        sdk_relay.glean_relay,
        lambda url, stream: Glean(url, token=TOKEN, stream=stream),
        ("the policy?", "open a ticket", "and now?"),
    ),
    "mix": Vendor(
        lambda: MixServer().routes(),
        sdk_relay.mix_relay,
        lambda url, stream: Mix(url, permissions="allow"),
        ("hello", "look: grep it", "ask an agent"),
        None,
    ),
    "pipeshub": Vendor(
        lambda: Hub().routes(),
        sdk_relay.pipeshub_relay,
        lambda url, stream: PipesHub(f"{url}{BASE}", token=TOKEN, stream=stream),
        ("the policy?", "open a ticket", "and now?"),
    ),
}


@pytest.fixture(params=sorted(VENDORS))
def vendor(request: pytest.FixtureRequest) -> Iterator[tuple[Vendor, str, str]]:
    """A system with the URL of its stub and that of the relay before a stub of the same kind."""
    found = VENDORS[request.param]
    with ExitStack() as stack:
        direct = stack.enter_context(served(found.routes(), Stub(), token=found.token))
        behind = stack.enter_context(served(found.routes(), Stub(), token=found.token))
        relay = stack.enter_context(served(found.relay(behind), Stub(), token=None))
        yield found, direct.url, relay.url


def start() -> SessionStart:
    return SessionStart("case-1", stubs=lambda name, arguments: ToolAnswer({"found": len(arguments)}))


def bare(messages: tuple[MessageRecord, ...] | UnknownType) -> list[MessageRecord] | UnknownType:
    """Stored messages without the payload: the SDK puts its keys in another order and leaves out what is null."""
    return UNKNOWN if messages is UNKNOWN else [replace(message, raw=None) for message in messages]


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])
def test_every_declared_field_is_told_by_some_reply(vendor: tuple[Vendor, str, str], stream: bool) -> None:
    """An expectation on a declared field is not refused, so that it must be possible to meet; the others stay unknown."""
    found, direct, _ = vendor
    config = found.engine(direct, stream)
    told = talk(config, *found.said, start=start())
    known = {spec.name for reply in told.replies for spec in fields(Reply) if getattr(reply, spec.name) is not UNKNOWN}
    unknowable = {spec.name for spec in fields(Reply) if spec.default is UNKNOWN}
    stored = set() if told.stored is UNKNOWN else {"messages_stored"}
    assert (known & unknowable) | stored == config.connect(Setting(Path())).abilities.reports


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])
def test_what_the_sdk_dumps_is_what_the_stub_says(vendor: tuple[Vendor, str, str], stream: bool) -> None:
    """Three turns, with calls, citations and reasoning, and the stored messages: the same replies, field by field."""
    found, direct, relay = vendor
    ours: Talk = talk(found.engine(direct, stream), *found.said, start=start())
    theirs: Talk = talk(found.engine(relay, stream), *found.said, start=start())
    assert [settled(reply) for reply in theirs.replies] == [settled(reply) for reply in ours.replies]
    assert bare(theirs.stored) == bare(ours.stored)
    assert [reply.first_token_ms is not None for reply in theirs.replies] == [
        reply.first_token_ms is not None for reply in ours.replies
    ]
