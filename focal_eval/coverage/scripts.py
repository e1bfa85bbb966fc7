"""A set of script numbers, one bit each: a hundred thousand scripts behind an item cost twelve kilobytes."""

from __future__ import annotations

from collections.abc import Iterator


class Bits:
    """Small whole numbers, each there or not."""

    __slots__ = ("_bytes", "_count")

    def __init__(self) -> None:
        self._bytes = bytearray()
        self._count = 0

    def add(self, number: int) -> None:
        """Puts a number in."""
        place, bit = number >> 3, 1 << (number & 7)
        if place >= len(self._bytes):
            self._bytes.extend(bytes(place + 1 - len(self._bytes)))
        if not self._bytes[place] & bit:
            self._bytes[place] |= bit
            self._count += 1

    def __len__(self) -> int:
        return self._count

    def __contains__(self, number: object) -> bool:
        if not isinstance(number, int) or number >> 3 >= len(self._bytes):
            return False
        return bool(self._bytes[number >> 3] & 1 << (number & 7))

    def __iter__(self) -> Iterator[int]:
        for place, byte in enumerate(self._bytes):
            if byte:
                yield from (8 * place + bit for bit in range(8) if byte & 1 << bit)

    def only(self) -> int | None:
        """Its number where it holds exactly one."""
        return next(iter(self)) if self._count == 1 else None
