"""The body of an answer as it comes: unpacked, and never more of it in memory than is allowed."""

from __future__ import annotations

import zlib
from collections.abc import Mapping

from focal_eval.errors import EngineProtocol

_WINDOWS = {"gzip": 31, "x-gzip": 31, "deflate": 15}


class Unpacker:
    """Unpacks one body and counts what goes in and what comes out. Raises EngineProtocol beyond `most` bytes of either."""

    __slots__ = ("_left", "_most", "_packed", "_taken", "_window", "_zlib")

    def __init__(self, headers: Mapping[str, str], most: int) -> None:
        self._most = self._left = most
        self._taken = 0
        coding = headers.get("content-encoding", "identity").strip().lower()
        if coding not in ("", "identity") and coding not in _WINDOWS:
            raise EngineProtocol(f"the answer is packed as {coding[:40]!r}, which was not asked for")
        self._window = _WINDOWS.get(coding)
        self._packed = self._window is not None
        if self._packed:
            self._zlib = zlib.decompressobj(self._window or 15)
        length = headers.get("content-length", "")
        if length.isdigit() and int(length[:20]) > most:
            raise self._too_long()

    def take(self, chunk: bytes) -> bytes:
        """What these bytes unpack to; a small bomb is never unpacked further than one byte too far."""
        out = self._unpacked(chunk) if self._packed else chunk
        self._left -= len(out)
        self._taken += len(chunk)  # packed emptiness unpacks to nothing, for ever
        if self._left < 0 or self._taken > self._most:
            raise self._too_long()
        return out

    def end(self) -> None:
        """Raises EngineProtocol where the packed body was cut off."""
        if self._packed and not self._zlib.eof and self._left < self._most:
            raise EngineProtocol("the packed answer broke off")

    def _unpacked(self, chunk: bytes) -> bytes:
        out = b""
        try:
            while chunk and len(out) <= self._left:
                if self._zlib.eof:  # gzip allows one member after another
                    self._zlib = zlib.decompressobj(self._window or 15)
                out += self._zlib.decompress(chunk, self._left - len(out) + 1)
                chunk = self._zlib.unconsumed_tail or self._zlib.unused_data
        except zlib.error as problem:
            raise EngineProtocol(f"the packed answer is damaged: {problem}") from None
        return out

    def _too_long(self) -> EngineProtocol:
        return EngineProtocol(f"the answer is longer than {self._most:,} bytes (max_reply_bytes)")


class LineDecoder:
    """Cuts bytes into lines; the last one may end with the stream."""

    __slots__ = ("_pieces",)

    def __init__(self) -> None:
        self._pieces: list[bytes] = []

    def feed(self, chunk: bytes) -> list[bytes]:
        """The lines that these bytes complete, without empty ones."""
        *lines, rest = chunk.split(b"\n")
        if lines:
            lines[0] = b"".join((*self._pieces, lines[0]))
            self._pieces.clear()
        if rest:
            self._pieces.append(rest)
        return [line for line in map(bytes.strip, lines) if line]

    def end(self) -> list[bytes]:
        """What follows the last line end."""
        return self.feed(b"\n")
