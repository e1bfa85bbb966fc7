"""One process of a pytest session that plays scripts: what it plays, its engines, and the loop they live in."""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import Any

import pytest

from focal_eval.clock import Clock, content_id
from focal_eval.errors import FocalEvalError, Refused
from focal_eval.evaluate.listed import check_listed
from focal_eval.evaluate.sitting import OneByOne, one_by_one
from focal_eval.pytest_plugin.loop import Loop
from focal_eval.pytest_plugin.options import options_of
from focal_eval.pytest_plugin.programme import Part, Programme
from focal_eval.pytest_plugin.telling import FAILED
from focal_eval.records import Verdict
from focal_eval.report.ansi import Paint
from focal_eval.report.characters import one_line
from focal_eval.report.diagnosed import diagnosed
from focal_eval.runner.plan import Case
from focal_eval.runner.played import Played

_KEY = pytest.StashKey["Session"]()


def session_of(config: pytest.Config) -> Session:
    """What this process knows of its session; made when it is first asked for."""
    if _KEY not in config.stash:
        config.stash[_KEY] = Session(config)
    return config.stash[_KEY]


class Session:
    """What one process plays, and on what."""

    def __init__(self, config: pytest.Config) -> None:
        self.worker: dict[str, Any] | None = getattr(config, "workerinput", None)  # what xdist tells a worker
        self.clock = Clock()
        self.options = options_of(config)
        self.programme = Programme(self.options, self.clock)
        self.loop = Loop()
        self.talks = str((self.worker or {}).get("testrunuid") or content_id(self.clock.new_id()))
        self._players: dict[str, OneByOne] = {}
        self._lost: dict[str, str] = {}
        self._told: dict[str, Path] = {}

    def close(self) -> None:
        """Lets go of the engines, and keeps what was recorded of them."""
        for key, player in self._players.items():
            with contextlib.suppress(Exception):  # closing changes no verdict
                self.loop.run(player.close())
            part = self.programme.part(key)
            if part.prepared is not None and part.prepared.target.recorder is not None:
                part.prepared.target.recorder.save()
        self._players.clear()
        self.loop.close()

    def first(self, matter: str, file: Path) -> bool:
        """Whether a file is the first that a matter is told of: what concerns many files is told of one."""
        return self._told.setdefault(matter, file) == file

    def quarantined(self, part: Part, key: str) -> str | None:
        """Why a case gates nothing, None where it gates; `key` is its name without the number of its repeat."""
        assert part.prepared is not None
        for held in part.prepared.quarantine.held:
            if not held.expired and key in held.cases:
                entry = held.entry
                return one_line(f"in quarantine until {entry.expires.text} ({entry.owner}): {entry.reason}", 400)
        return None

    def lost(self, part: Part) -> str | None:
        """Why nothing more is asked of a part's engine."""
        return self._lost.get(part.key)

    def play(self, part: Part, case: Case, number: int) -> Played:
        """Plays a case for the so many-th time. Raises pytest's own failure where the engine's own lists refuse the scripts."""
        try:
            player = self._player(part)
        except FocalEvalError as problem:
            told = diagnosed(problem.diagnostics, Paint(False)) if isinstance(problem, Refused) else ()
            self._lost[part.key] = str(problem)
            raise FAILED("\n".join([str(problem), *told]), pytrace=False) from None
        played = self.loop.run(player.play(case, number))
        if played.given_up is not None:
            self._lost[part.key] = played.given_up
        return played

    def _player(self, part: Part) -> OneByOne:
        if part.key not in self._players:
            prepared = part.prepared
            assert prepared is not None, "a part without a plan has no items"
            self._players[part.key] = one_by_one(prepared, part.request, self.clock, self.talks, self._lane)
            self.loop.run(check_listed(prepared.target, prepared.fields.timeout_s))
        return self._players[part.key]

    @property
    def _lane(self) -> tuple[int, int]:
        """Which of how many processes this one is."""
        if self.worker is None:
            return 0, 1
        return int(self.worker["workerid"].removeprefix("gw")), int(self.worker["workercount"])

    def not_played(self, part: Part, case: Case, why: str, *, skipped: bool) -> Played:
        """What is written of a case that pytest skipped, or cut off."""
        prepared = part.prepared
        assert prepared is not None, "a part without a plan has no items"
        player = self._players.get(part.key) or one_by_one(prepared, part.request, self.clock, self.talks)
        return player.skipped(case, why) if skipped else player.cut_off(case, why)

    def sent(self, part: Part, played: Played) -> dict[str, Any]:
        """A case as a report carries it to the process that keeps the run."""
        return {
            "part": part.key,
            "case": played.case,
            "verdict": played.verdict.value,
            "reason": played.reason,
            "given_up": played.given_up,
            "lines": [line.decode("utf-8") for line in played.lines],
            "latencies": list(played.latencies),
            "tokens": played.tokens,
            "cost": played.cost,
        }


def received(data: dict[str, Any]) -> Played:
    """The case in what a report carries."""
    return Played(
        case=data["case"],
        verdict=Verdict(data["verdict"]),
        reason=data["reason"],
        given_up=data["given_up"],
        lines=tuple(line.encode("utf-8") for line in data["lines"]),
        latencies=tuple(data["latencies"]),
        tokens=data["tokens"],
        cost=data["cost"],
    )
