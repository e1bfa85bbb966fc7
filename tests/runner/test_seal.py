"""Every line of a journal ends with a checksum of the rest of it."""

from __future__ import annotations

from zlib import crc32

import orjson
import pytest

from focal_eval.runner.seal import is_sealed, sealed

LINE = orjson.dumps({"t": "turn", "user": "für ☕", "n": [1, 2]})


def test_a_sealed_line_is_json_with_the_checksum_last() -> None:
    """Its last member is the CRC-32 of all bytes before that member; all else is as it was."""
    line = sealed(LINE)
    data = orjson.loads(line)
    assert list(data)[-1] == "crc"
    assert data.pop("crc") == f"{crc32(LINE[:-1]):08x}"
    assert orjson.dumps(data) == LINE
    assert is_sealed(line)
    assert is_sealed(line + b"\n")


def test_every_flipped_bit_is_noticed() -> None:
    """Whichever bit of a line is another one, the seal does not hold."""
    line = sealed(LINE)
    for at in range(len(line)):
        for bit in range(8):
            changed = bytearray(line)
            changed[at] ^= 1 << bit
            same = bytes(changed).lower() == line and len(line) - 10 <= at < len(line) - 2  # the checksum in capitals
            assert is_sealed(bytes(changed)) is same, (at, bit)


def test_every_cut_is_noticed() -> None:
    """A line of which some bytes are missing, at its end or within, has no seal that holds."""
    line = sealed(LINE)
    for at in range(len(line)):
        assert not is_sealed(line[:at])
        assert not is_sealed(line[:at] + line[at + 1 :])


@pytest.mark.parametrize("line", [b"", b"\n", b"{}", b'{"crc":"00000000"}', LINE, b'x,"crc":"zzzzzzzz"}'])
def test_what_has_no_checksum_is_not_sealed(line: bytes) -> None:
    """Lines of the first format, and rubbish, are told apart without an error."""
    assert not is_sealed(line)
