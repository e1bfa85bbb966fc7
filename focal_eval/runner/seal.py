"""The checksum that ends each line of a journal: `,"crc":"89abcdef"}`, the CRC-32 of all bytes before it."""

from __future__ import annotations

from zlib import crc32

SEAL = "crc"
_BEGINS, _ENDS = b',"crc":"', b'"}'
SEAL_LENGTH = 18  # of the seal, with what closes the line's object


def sealed(line: bytes) -> bytes:
    """A JSON object with the checksum as its last member."""
    body = line[:-1]
    return b'%b,"crc":"%08x"}' % (body, crc32(body))


def is_sealed(line: bytes) -> bool:
    """Whether a line, with or without its line feed, is as it was written."""
    end = len(line) - 1 if line.endswith(b"\n") else len(line)
    at = end - SEAL_LENGTH
    if at < 1 or line[at : at + 8] != _BEGINS or line[at + 16 : end] != _ENDS:
        return False
    try:
        return int(line[at + 8 : at + 16], 16) == crc32(line[:at])
    except ValueError:
        return False
