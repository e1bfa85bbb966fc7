"""Why the times of two runs are not compared: those of a replayed conversation say nothing about the agent under test."""

from __future__ import annotations

from collections.abc import Mapping

from focal_eval.evaluate.joined_runs import JoinedRuns
from focal_eval.records import Json
from focal_eval.report.model import ReportModel
from focal_eval.text import listed

_MODES = {"replay": "were replayed", "replay-else-record": "may have been replayed"}  # of the cassette's layer `turns`
_NAMED = 3  # runs of one cassette


def why_no_latency(before: ReportModel, after: ReportModel) -> str | None:
    """The runs whose turns came from a cassette, in words; None where the times of both sides are the engine's own."""
    of: dict[tuple[str, str], list[str]] = {}
    for run in (*_runs(before), *_runs(after)):
        if (found := _replayed(run.header)) is not None:
            of.setdefault(found, []).append(str(run.header.get("id")))
    told = [f"the turns of {listed(ids, most=_NAMED)} {was} from cassette {file}" for (was, file), ids in of.items()]
    return listed(told) if told else None


def _runs(side: ReportModel) -> tuple[ReportModel, ...]:
    return side.runs if isinstance(side, JoinedRuns) else (side,)


def _replayed(header: Mapping[str, Json]) -> tuple[str, str] | None:
    """How its turns were replayed, and from which cassette."""
    engine = header.get("engine")
    cassette = engine.get("cassette") if isinstance(engine, Mapping) else None
    layers = cassette.get("layers") if isinstance(cassette, Mapping) else None
    mode = layers.get("turns") if isinstance(layers, Mapping) else None
    if not isinstance(cassette, Mapping) or not isinstance(mode, str) or mode not in _MODES:
        return None
    return _MODES[mode], str(cassette.get("file"))
