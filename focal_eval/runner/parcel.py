"""What a worker says, as bytes: a line of JSON, then the lines of the journal of each case that is over.

No object travels: whoever reads it gets texts and numbers, and nothing of what it reads is carried out.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import orjson

from focal_eval.records import Verdict
from focal_eval.runner.encoded import dumps
from focal_eval.runner.played import Played

CASES = "played"  # under this name stands what a run adds up of the cases


def packed(said: dict[str, Any], played: Iterable[Played], redact: Callable[[bytes], bytes] = bytes) -> bytes:
    """What is said, and cases that are over; their lines are redacted already, all else is redacted here."""
    told, lines = [], list[bytes]()
    for case in played:
        spent = case.latencies, case.tokens, case.cost
        told.append([case.case, case.verdict.value, case.reason, case.given_up, *spent, len(case.lines)])
        lines += case.lines
    return b"\n".join([redact(dumps({**said, CASES: told})), *lines])


def unpacked(parcel: bytes, worker: str | None = None) -> tuple[dict[str, Any], list[Played]]:
    """What was said, and the cases that are over: played by this worker, or by whom the parcel says."""
    head, *lines = parcel.split(b"\n")
    said: dict[str, Any] = orjson.loads(head)
    by = said.get("worker", "") if worker is None else worker
    played, at = [], 0
    for case, verdict, reason, given_up, latencies, tokens, cost, count in said.get(CASES) or ():
        own = tuple(lines[at : at + count])
        at += count
        counted = None if isinstance(tokens, str) else tokens  # JSON has no number for what no engine could mean
        played.append(Played(case, Verdict(verdict), reason, given_up, own, tuple(latencies), counted, cost, by))
    return said, played
