"""What recorded conversations would have done, on the terminal: the count first, then each cause with an example."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, TextIO

from focal_eval.report.ansi import Paint, emit, wants_colour
from focal_eval.report.characters import one_line
from focal_eval.text import counted, listed

Data = Mapping[str, Any]
_NAMED = 4
_KINDS = {"rules": "rule", "tool": "tool", "step": "step"}


def print_whatif(
    found: Data, stream: TextIO, *, most: int = 20, quiet: bool = False, environ: Mapping[str, str] | None = None
) -> None:
    """Prints the document of `whatif`; `quiet` leaves only its first line."""
    paint = Paint(wants_colour(stream, os.environ if environ is None else environ))
    for line in [headline(found)] if quiet else _lines(found, paint, most):
        emit(stream, line)


def headline(found: Data) -> str:
    """`of 4,812 turns 37 change: 29 gain rule X, 6 lose tool Y, 2 stand at Z`."""
    clusters: Sequence[Data] = found["clusters"]
    begin = f"of {counted(found['compared'], 'turn')} {found['changed']:,} change{'s' if found['changed'] == 1 else ''}"
    if not clusters:
        return begin
    told = [f"{cluster['turns']:,} {_briefly(cluster)}" for cluster in clusters[:3]]
    rest = found["changed"] - sum(cluster["turns"] for cluster in clusters[:3])
    return f"{begin}: {', '.join(told)}" + (f", {rest:,} otherwise" if rest else "")


def _briefly(cluster: Data) -> str:
    """`gain rule X`, where the change is that something came or went."""
    sign = cluster["key"].partition(":")[2][:1]
    kind, what, many = _KINDS.get(cluster["lane"]), one_line(cluster["what"], 60), cluster["turns"] != 1
    if kind in ("rule", "tool") and sign in "+-":
        return f"{('gain' if many else 'gains') if sign == '+' else ('lose' if many else 'loses')} {kind} {what}"
    if cluster["lane"] == "step" and what != "transitions":
        return f"{'stand' if many else 'stands'} at {one_line(cluster['key'].partition('>')[2] or what, 60)}"
    return f"with another {cluster['lane']} ({what})"


def _lines(found: Data, paint: Paint, most: int) -> Iterator[str]:
    yield paint(headline(found), "bold")
    yield paint(_read(found), "dim")
    yield ""
    for place, cluster in enumerate(found["clusters"][:most], 1):
        yield from _cluster(place, cluster, found, paint)
        yield ""
    left = len(found["clusters"]) - most
    if left > 0:
        yield paint(f"and {counted(left, 'more cause')}: --max-shown, --json", "dim")
    yield from _untouched(found, paint)
    yield from _notes(found)
    if found["gate"] is not None:
        gate = found["gate"]
        mark = paint("✓", "green") if gate["passed"] else paint("✗", "red")
        yield f"{mark} gate max-changed: at most {gate['max_changed']}, {found['changed']:,} of {found['compared']:,} changed"


def _read(found: Data) -> str:
    formats = listed([f"{count:,} {name}" for name, count in found["formats"].items()])
    mode = "each agent free until they part" if found["mode"] == "free-run" else "recorded history kept at every turn"
    against = "against the agent" if "agent" in found["agents"] else "against what the record tells"
    return (
        f"{counted(found['conversations'], 'conversation')} ({formats}), "
        f"{found['changed_conversations']:,} of them changed; {against}; {mode}"
    )


def _cluster(place: int, cluster: Data, found: Data, paint: Paint) -> Iterator[str]:
    head = f"{paint(f'cause {place}', 'bold', 'cyan')}  {paint(one_line(cluster['text'], 200), 'bold')}"
    yield f"{head}  {counted(cluster['turns'], 'turn')} in {counted(cluster['conversations'], 'conversation')}"
    told = [f"{one_line(item['text'], 80)} ({item['turns']:,})" for item in cluster["knock_on"]]
    if told:
        yield (
            paint("  with it  ", "dim")
            + "; ".join(told[:_NAMED])
            + (f"; and {len(told) - _NAMED:,} more" if len(told) > _NAMED else "")
        )
    for at in cluster["edits"][:_NAMED]:
        yield paint("  edit     ", "dim") + _edit(found["edits"][at], found)
    for example in cluster["examples"]:
        yield from _example(example, paint)
    script = cluster["script"]
    if script is not None:
        yield paint("  script   ", "dim") + (script.get("file") or f"none: {script['why']}")


def _edit(edit: Data, found: Data) -> str:
    agent = found["agents"]["agent" if edit["change"] == "removed" else "candidate"]
    place = f"{one_line(agent['file'], 80)}:{edit['line']}: " if edit["line"] is not None else ""
    fields = ", ".join(one_line(field["field"], 60) for field in edit["fields"][:_NAMED])
    return f"{place}{edit['kind']} {one_line(edit['name'], 80)} {edit['change']}" + (f" ({fields})" if fields else "")


def _example(example: Data, paint: Paint) -> Iterator[str]:
    where = f"{one_line(example['place'], 90)} ({one_line(example['conversation'], 60)}, turn {example['turn'] + 1})"
    score = example["score"]
    told = "" if score is None or score == [None, None] else f"  score {_score(score[0])} → {_score(score[1])}"
    yield paint("  turn     ", "dim") + where + told
    said = "(the agent speaks first)" if example["user"] is None else one_line(example["user"], 110)
    yield paint("           user: ", "dim") + said


def _score(score: float | None) -> str:
    return "none" if score is None else f"{score:.2f}"


def _untouched(found: Data, paint: Paint) -> Iterator[str]:
    """Edits that change nothing in these conversations."""
    linked = {at for cluster in found["clusters"] for at in cluster["edits"]}
    rest = [edit for at, edit in enumerate(found["edits"] or ()) if at not in linked]
    if rest:
        yield paint(f"{counted(len(rest), 'edit')} with no change in these conversations:", "dim")
        for edit in rest[:_NAMED]:
            yield "  " + _edit(edit, found)
        if len(rest) > _NAMED:
            yield paint(f"  and {len(rest) - _NAMED:,} more", "dim")


def _notes(found: Data) -> Iterator[str]:
    """What a reader has to know of the figures."""
    anchors = found["anchors"]
    if found["off_recording"]:
        yield f"{counted(found['off_recording'], 'turn')} after the agents parted: off the recording, not counted"
    if found["uncompared"]:
        yield f"{counted(found['uncompared'], 'turn')} of which the record tells neither rules nor the scenario"
    for key, said in _ANCHORS.items():
        if anchors.get(key):
            yield f"{counted(anchors[key], 'turn')} {said}"
    if found["beyond"]:
        yield f"{counted(found['beyond'], 'changed turn')} of further causes, not told apart"
    replaced = found["personal"]["replaced"]
    if replaced:
        counts = listed([f"{count:,} {kind}" for kind, count in replaced.items()], most=12)
        yield f"personal data replaced in the examples: {counts}"
    passed = found["passed_over"]
    if passed["counts"]:
        yield f"passed over: {'; '.join(f'{count:,} × {why}' for why, count in passed['counts'].items())}"
        yield f"  first at {one_line(passed['examples'][0], 160)}"


_ANCHORS = {
    "anchored": "after which the agent stood elsewhere than the record: brought back to it",
    "at unknown places": "after which the record names a place the agent does not have",
    "naming unknown rules": "of which the record names rules the candidate does not have: a server's ids, or rules taken out",
    "at places the candidate does not have": "begun where the candidate has no such place: at the scenario's start, or in none",
}
