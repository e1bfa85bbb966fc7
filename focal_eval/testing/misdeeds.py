"""What a broken or hostile server does to one request, each misdeed by name, with the errors an engine may answer it by."""

from __future__ import annotations

import asyncio
import re
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

import orjson

from focal_eval.errors import EngineError, EngineProtocol, EngineStatus, EngineTimeout, EngineUnreachable
from focal_eval.testing.hostile_server import Act, Said, Turn, head

_BIG = 100 * 1024 * 1024
_BLOCK = b"x" * 65_536
_DRIP_S = 0.02
_ERROR = Said(b'{"error":{"code":"INTERNAL_ERROR","message":"An unexpected error occurred"}}', status=500)


@dataclass(frozen=True, slots=True)
class Misdeed:
    """One way to misbehave. `of` says on which answers: `any`, `whole` ones or a `stream` of events.

    `blind` is set where the protocol of an engine may give it no way to notice; then nothing but harm to others is looked for.
    """

    name: str
    about: str
    expects: tuple[type[EngineError], ...]
    act: Act
    of: Literal["any", "whole", "stream"] = "any"
    blind: bool = False


MISDEEDS: dict[str, Misdeed] = {}


def _misdeed(
    name: str,
    about: str,
    *expects: type[EngineError],
    of: Literal["any", "whole", "stream"] = "any",
    blind: bool = False,
) -> Callable[[Act], Act]:
    def keep(act: Act) -> Act:
        MISDEEDS[name] = Misdeed(name, about, expects, act, of, blind)
        return act

    return keep


@_misdeed("hangs", "takes the request and says nothing", EngineTimeout)
async def _hangs(turn: Turn) -> None:
    await turn.hang()


@_misdeed("drips-headers", "sends its headers letter by letter, without an end", EngineTimeout)
async def _drips_headers(turn: Turn) -> None:
    await turn.write(b"HTTP/1.1 200 OK\r\nx-slow: ")
    while True:
        await turn.write(b"z")
        await asyncio.sleep(_DRIP_S)


@_misdeed("endless-headers", "sends headers without an end", EngineProtocol)
async def _endless_headers(turn: Turn) -> None:
    await turn.write(b"HTTP/1.1 200 OK\r\n")
    for number in range(100_000):
        await turn.write(b"x-%d: %b\r\n" % (number, b"y" * 1_000))


@_misdeed("drops", "closes the connection without an answer", EngineUnreachable)
async def _drops(turn: Turn) -> None:
    turn.drop()


@_misdeed("resets", "resets the connection without an answer", EngineUnreachable)
async def _resets(turn: Turn) -> None:
    turn.reset()


@_misdeed("not-http", "answers something that is not HTTP", EngineProtocol)
async def _not_http(turn: Turn) -> None:
    await turn.write(b"220 mail.example.com ESMTP\r\n\r\n")
    turn.drop()


@_misdeed("hangs-midway", "sends half an answer and then nothing", EngineTimeout)
async def _hangs_midway(turn: Turn) -> None:
    body = turn.good.body
    await turn.write(head(200, turn.good.kind, {"content-length": str(len(body))}), body[: len(body) // 2])
    await turn.hang()


@_misdeed("drips", "sends one byte at a time, without an end", EngineTimeout)
async def _drips(turn: Turn) -> None:
    events = turn.good.kind == "text/event-stream"
    await turn.write(head(200, turn.good.kind, {"content-length": "1000000"}))
    while True:
        await turn.write(b": a\n\n" if events else b" ")
        await asyncio.sleep(_DRIP_S)


@_misdeed("breaks-off", "closes the connection in the middle of the answer", EngineProtocol)
async def _breaks_off(turn: Turn) -> None:
    body = turn.good.body
    await turn.write(head(200, turn.good.kind, {"content-length": str(len(body))}), body[: len(body) // 2])
    turn.drop()


@_misdeed("breaks-off-unseen", "closes the connection in the middle of an answer of unknown length", EngineProtocol)
async def _breaks_off_unseen(turn: Turn) -> None:
    body = turn.good.body.rstrip()
    end = body.rindex(b"data:") + 9 if turn.good.kind == "text/event-stream" else body.rfind(b"\n") + 9  # in the last line
    await turn.write(head(200, turn.good.kind, {"connection": "close"}), body[:end])
    turn.drop()


@_misdeed("html", "answers 200 with a web page", EngineProtocol)
async def _html(turn: Turn) -> None:
    await turn.say(Said(b"<!doctype html><title>Sign in</title><script>alert(1)</script>", "text/html; charset=utf-8"))


@_misdeed("empty", "answers 200 with nothing", EngineProtocol)
async def _empty(turn: Turn) -> None:
    await turn.say(Said(b"", turn.good.kind))


@_misdeed("not-utf-8", "has bytes in the answer that are not UTF-8", EngineProtocol)
async def _not_utf8(turn: Turn) -> None:
    await turn.say(Said(turn.good.body.replace(b'":', b'\xff":', 1), turn.good.kind))


def _first_value(turn: Turn, value: bytes) -> Said:
    return Said(re.sub(rb'":\s*("[^"]*"|[^,}\s"]+)', lambda _: b'":' + value, turn.good.body, count=1), turn.good.kind)


@_misdeed("nan", "has NaN in its JSON", EngineProtocol)
async def _nan(turn: Turn) -> None:
    await turn.say(_first_value(turn, b"NaN"))


@_misdeed("huge-number", "has a number in its JSON that no double holds", EngineProtocol)
async def _huge_number(turn: Turn) -> None:
    await turn.say(_first_value(turn, b"1e999"))


@_misdeed("deep", "has a hundred thousand lists in each other in its JSON", EngineProtocol)
async def _deep(turn: Turn) -> None:
    await turn.say(_first_value(turn, b"[" * 100_000 + b"]" * 100_000))


def _with_values(body: bytes, change: Callable[[dict[str, object]], object]) -> bytes:
    """The answer with another value for its JSON, or for that of each line or event."""
    return re.sub(rb"(?m)^(data: ?|)(\{.*\})", lambda at: at[1] + orjson.dumps(change(orjson.loads(at[2]))), body)


@_misdeed("wrong-types", "answers with a list where an object is expected", EngineProtocol)
async def _wrong_types(turn: Turn) -> None:
    await turn.say(Said(_with_values(turn.good.body, lambda value: [value]), turn.good.kind))


@_misdeed("wrong-values", "answers with an object in the place of every value", EngineProtocol)
async def _wrong_values(turn: Turn) -> None:
    await turn.say(
        Said(_with_values(turn.good.body, lambda value: {key: {"unexpected": [1.5]} for key in value}), turn.good.kind)
    )


@_misdeed("missing-keys", "answers with an empty object", EngineProtocol)
async def _missing_keys(turn: Turn) -> None:
    await turn.say(Said(_with_values(turn.good.body, lambda _: {}), turn.good.kind))


@_misdeed("long", "announces an answer of 100 MB", EngineProtocol)
async def _long(turn: Turn) -> None:
    await turn.write(head(200, turn.good.kind, {"content-length": str(_BIG)}))
    for _ in range(_BIG // len(_BLOCK)):
        await turn.write(_BLOCK)


@_misdeed("long-unseen", "sends 100 MB without having announced them", EngineProtocol)
async def _long_unseen(turn: Turn) -> None:
    await turn.chunks((_BLOCK for _ in range(_BIG // len(_BLOCK))), Said(b"", turn.good.kind))


@_misdeed("gzip-bomb", "sends 100 kB that unpack to 100 MB", EngineProtocol)
async def _gzip_bomb(turn: Turn) -> None:
    await turn.say(Said(_bomb(), turn.good.kind, headers={"content-encoding": "gzip"}))


@lru_cache(maxsize=1)
def _bomb() -> bytes:
    """A packed megabyte, a hundred times in one stream."""
    packer = zlib.compressobj(9, wbits=31)
    begin = packer.compress(b"") + packer.flush(zlib.Z_FULL_FLUSH)
    return begin + (packer.compress(bytes(_BIG // 100)) + packer.flush(zlib.Z_FULL_FLUSH)) * 100


@_misdeed("damaged-gzip", "says that the answer is packed, and it is not", EngineProtocol)
async def _damaged_gzip(turn: Turn) -> None:
    await turn.say(Said(turn.good.body, turn.good.kind, headers={"content-encoding": "gzip"}))


@_misdeed("redirects", "redirects to itself, without an end", EngineProtocol)
async def _redirects(turn: Turn) -> None:
    await turn.say(Said(b"", status=307, headers={"location": turn.heard.path}))


_ID = re.compile(rb'("(?:[A-Za-z_]*_)?id"|"[A-Za-z]+Id"):\s*"[^"]*"')


@_misdeed("injects", "sends ids that would become a header or another path", EngineProtocol, EngineStatus, blind=True)
async def _injects(turn: Turn) -> None:
    evil = rb'\1:"../evil?x=1#\\r\\nx-evil: 1\\r\\n\\r\\nGET /evil HTTP/1.1"'
    await turn.say(Said(_ID.sub(evil, turn.good.body), turn.good.kind))


@_misdeed("mixes-up", "answers with the reply to another conversation", EngineProtocol, blind=True)
async def _mixes_up(turn: Turn) -> None:
    await turn.say(turn.elsewhere or turn.good)


@_misdeed("429-storm", "answers 429, come back at once, again and again", EngineStatus)
async def _storm(turn: Turn) -> None:
    await turn.say(Said(b'{"detail":"Too many requests"}', status=429, headers={"retry-after": "0"}))


@_misdeed("429-tomorrow", "answers 429, come back tomorrow", EngineStatus)
async def _tomorrow(turn: Turn) -> None:
    await turn.say(Said(b'{"detail":"Too many requests"}', status=429, headers={"retry-after": "86400"}))


@_misdeed("500-poison", "answers 500 and drops the connection without having said so", EngineStatus)
async def _poison(turn: Turn) -> None:
    await turn.say(_ERROR)
    turn.reset()


@_misdeed("500-hangs", "answers 500 and never ends the answer", EngineTimeout)
async def _hanging_500(turn: Turn) -> None:
    await turn.write(head(500, "application/json", {"content-length": "1000"}), b'{"error": ')
    await turn.hang()


@_misdeed("many-events", "sends events without an end", EngineProtocol, of="stream")
async def _many_events(turn: Turn) -> None:
    await turn.chunks((b"event: ping\r\ndata: {}\r\n\r\n" * 1_000 for _ in range(100_000)), Said(b"", turn.good.kind))


def _blocks(turn: Turn) -> list[bytes]:
    return [block + b"\r\n\r\n" for block in re.split(rb"\r\n\r\n|\n\n", turn.good.body) if block.strip()]


def _of_events(blocks: Iterator[bytes] | list[bytes], turn: Turn) -> Said:
    return Said(b"".join(blocks), turn.good.kind)


@_misdeed("no-end", "ends the stream before its last event", EngineProtocol, of="stream", blind=True)
async def _no_end(turn: Turn) -> None:
    await turn.say(_of_events(_blocks(turn)[:-1], turn))


@_misdeed("only-end", "sends the last event of the stream alone", EngineProtocol, of="stream", blind=True)
async def _only_end(turn: Turn) -> None:
    await turn.say(_of_events(_blocks(turn)[-1:], turn))


@_misdeed("after-end", "goes on after the last event of the stream", EngineProtocol, of="stream", blind=True)
async def _after_end(turn: Turn) -> None:
    blocks = _blocks(turn)
    await turn.say(_of_events([*blocks, blocks[0]], turn))


@_misdeed("twice", "sends every event twice", EngineProtocol, of="stream", blind=True)
async def _twice(turn: Turn) -> None:
    await turn.say(_of_events([same for block in _blocks(turn) for same in (block, block)], turn))


@_misdeed("reordered", "sends the events in the wrong order", EngineProtocol, of="stream", blind=True)
async def _reordered(turn: Turn) -> None:
    await turn.say(_of_events(list(reversed(_blocks(turn))), turn))
