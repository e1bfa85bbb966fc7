"""A failure as people read it: the place, the reason, the script's line with a caret, and what was observed beneath."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import NamedTuple

from focal_eval.records import Json
from focal_eval.report.characters import clip, visible
from focal_eval.report.judge_words import label_of
from focal_eval.report.model import Failure
from focal_eval.runner.reading import first_message
from focal_eval.source import Span, frame

LABELS = ("expected", "observed", "near")


class Line(NamedTuple):
    """One line; `role` is head, frame, caret, fault, or the label the text belongs to."""

    role: str
    text: str


def describe(failure: Failure, *, limit: int = 600) -> Iterator[Line]:
    """The lines of a failure, harmless to print; each text has at most `limit` characters."""
    if failure.fault is not None:
        yield Line("fault", f"error[{failure.fault.get('kind', 'fault')}]: {_short(failure.fault.get('message'), limit)}")
        if failure.fault.get("detail"):
            yield Line("detail", _short(failure.fault["detail"], limit))
        return
    result = failure.result
    assert result is not None
    yield Line("head", headline(result, limit=limit))
    yield from _framed(result)
    findings = [finding for finding in result.get("findings") or () if not finding.get("tolerated")]
    for position, finding in enumerate(findings[:5]):
        if position:
            yield Line("also", _short(finding.get("message"), limit))
        yield from _labelled(finding, limit)
    if len(findings) > 5:
        yield Line("also", f"and {len(findings) - 5} more")
    if (label := label_of(result)) is not None:
        yield Line("by", _short(label, limit))
    if result.get("because"):
        yield Line("because", _short(result["because"], limit))


def headline(result: Mapping[str, Json], *, limit: int = 600) -> str:
    """Line one, which stands alone: `file:line:column: failed[rules]: rule 'x' did not match`."""
    kind = "error" if result["outcome"] == "errored" else _kind_of(result)
    return visible(f"{span_of(result)}: {kind}[{result.get('key')}]: {clip(_flat(first_message(result)), limit)}")


def _kind_of(result: Mapping[str, Json]) -> str:
    """Of a failure: whether it fails its case, and whether a judge says so."""
    if (result.get("by") or {}).get("kind") == "judge":
        return "judged"
    return "soft" if result.get("soft") else "failed"


def span_of(result: Mapping[str, Json]) -> Span:
    """Where the expectation stands."""
    at = result.get("at") or ("", 1, 1, 1, 1)
    return Span(str(at[0]), *(int(part) for part in at[1:5]))


def plain(failure: Failure, *, limit: int = 600) -> str:
    """The lines of a failure as one text."""
    return "\n".join(
        line.text if line.role in ("head", "frame", "caret", "fault") else labelled(line)
        for line in describe(failure, limit=limit)
    )


def labelled(line: Line, indent: str = "    ") -> str:
    """A label with its text; further lines of the text stand under its first."""
    begin = f"{indent}{line.role:<9} "
    return begin + line.text.replace("\n", "\n" + " " * len(begin))


def _framed(result: Mapping[str, Json]) -> Iterator[Line]:
    excerpt = tuple((int(number), str(text)) for number, text in result.get("excerpt") or ())
    if not excerpt:
        return
    *shown, caret = frame(excerpt, span_of(result)).split("\n")
    yield from (Line("frame", text) for text in shown)
    yield Line("caret", caret)


def _labelled(finding: Mapping[str, Json], limit: int) -> Iterator[Line]:
    yield from (Line(label, _short(finding[label], limit)) for label in LABELS if finding.get(label) is not None)


def _short(text: Json, limit: int) -> str:
    return clip(visible(str(text)), limit)


def _flat(text: str) -> str:
    return " ".join(text.split())
