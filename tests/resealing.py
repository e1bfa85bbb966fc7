"""Journals that a test has changed, sealed as another writer would have sealed them."""

from __future__ import annotations

from pathlib import Path

import orjson

from focal_eval.runner.seal import SEAL, sealed


def reseal(journal: Path) -> None:
    """Gives every line of a journal the checksum of what it says now."""
    out = []
    for line in journal.read_bytes().splitlines():
        data = orjson.loads(line)
        data.pop(SEAL, None)
        out.append(sealed(orjson.dumps(data)) + b"\n")
    journal.write_bytes(b"".join(out))
