"""`report.html`: the whole run in one offline file, for people.

The page is a shell with a light index of the cases; what was said and judged lies beside it in gzip chunks, inflated by the
browser when a case is opened. The journal's lines go into the chunks as they are, with what they share put
back. The policy in the page's head lets run exactly one script and one style sheet, by their digests, and nothing else be
fetched from anywhere.
"""

from __future__ import annotations

import base64
import hashlib
import re
import zlib
from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from functools import lru_cache
from importlib.resources import files
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Any

import orjson

from focal_eval.errors import StorageError
from focal_eval.report.base import ReportOptions, target
from focal_eval.report.beside_page import Beside
from focal_eval.report.characters import visible
from focal_eval.report.frames import plain
from focal_eval.report.judge_words import (
    audit_words,
    failed_count,
    failed_rows,
    judge_warning,
    judge_words,
    missed_words,
    rubric_rows,
)
from focal_eval.report.model import ATTENTION, WORST_FIRST, Case, ReportModel
from focal_eval.report.simulated_words import blamed_words, simulated_warning, simulated_words
from focal_eval.report.wording import (
    WORDS,
    beside_words,
    facts,
    gate_count,
    gate_limit,
    gate_name,
    gate_reason,
    lived_with_words,
    number,
    partial_note,
    tone,
    verdict_words,
)

if TYPE_CHECKING:
    from focal_eval.report.coverage_page import CoverageView
    from focal_eval.store.answers import Strips

NAME = "report.html"
CHUNK_CASES = 200
CHUNK_BYTES = 4_000_000  # of journal lines: what one opened case may cost the browser
PACKED_AHEAD = 4  # chunks
PIECE = 5_000  # names of scripts that are written together
GZIP_LEVEL = 3  # half the time of level 6 for a fifth more bytes
MOST_PATHS = 4  # named in the command that runs a case again
PLAIN_CASES = 200  # failing cases readable without JavaScript
PLAIN_CHARACTERS = 1_000_000
SCRIPTS = (
    *("dom", "store", "view", "beside", "list", "diff", "pairing"),
    *("expectations", "more", "stored", "lanes", "simulated", "case", "app"),
)
STYLES = ("base", "list", "beside", "case", "stored", "print")
LIVE = "live"  # the script of a page whose cases are still to come
COVERAGE = "coverage"  # the script and the style sheet of the Coverage view, only where a report has one


def write(run: ReportModel, out: Path, options: ReportOptions | None = None) -> Path:
    """Writes `report.html`."""
    path = target(out, NAME)
    cases = display_order(run.cases)
    chunks = list(_chunks(cases))
    context = _context(run, cases, chunks, options or ReportOptions())
    try:
        with path.open("wb") as file:
            for part in template().generate(context | {"chunks": _packed(run, chunks)}):
                file.write(ascii_markup(part))
    except OSError as problem:
        raise StorageError(f"cannot write {path}: {problem.strerror or problem}") from problem
    return path


def display_order(cases: list[Case]) -> list[Case]:
    """Cases somebody has to look at first, then the rest; scripts together, the worst script and case first."""
    shelves: dict[tuple[bool, int], list[Case]] = {}  # by whether they need no look, and the worst verdict of their script
    for _, group in groupby(sorted(cases, key=_script), _script):
        several = sorted(group, key=_rank)
        for calm in (False, True):
            if some := [case for case in several if (case.verdict not in ATTENTION) is calm]:
                shelves.setdefault((calm, _rank(some[0])), []).extend(some)
    return [case for key in sorted(shelves) for case in shelves[key]]


def _script(case: Case) -> str:
    return case.script


def _rank(case: Case) -> int:
    return WORST_FIRST.index(case.verdict)


def _chunks(cases: list[Case]) -> Iterator[list[Case]]:
    chunk: list[Case] = []
    size = 0
    for case in cases:
        length = sum(place.end - place.start for place in case.places())
        if chunk and (len(chunk) >= CHUNK_CASES or size + length > CHUNK_BYTES):
            yield chunk
            chunk, size = [], 0
        chunk.append(case)
        size += length
    if chunk:
        yield chunk


def _packed(run: ReportModel, chunks: list[list[Case]]) -> Iterator[Any]:
    """The chunks in order; two at a time, as packing lets other threads run, and few ahead of who writes them."""
    with ThreadPoolExecutor(2) as pool:
        coming: deque[Future[Any]] = deque()
        for chunk in chunks:
            coming.append(pool.submit(pack, run, chunk))
            if len(coming) > PACKED_AHEAD:
                yield coming.popleft().result()
        while coming:
            yield coming.popleft().result()


def pack(run: ReportModel, chunk: list[Case]) -> Any:
    """The journal's lines of some cases as the page takes them: gzip, in base64."""
    from markupsafe import Markup

    lines = b"\n".join(run.whole_line(place) for case in chunk for place in case.places())
    packer = zlib.compressobj(GZIP_LEVEL, zlib.DEFLATED, 31)  # 31: a gzip header, with no time in it
    data = base64.b64encode(packer.compress(lines) + packer.flush())
    return Markup(data.decode("ascii"))  # noqa: S704  # base64 holds no markup


def _index(run: ReportModel, chunks: list[list[Case]], strips: Strips | None = None) -> Iterator[str]:
    """What the page's list needs, as JSON in pieces: there may be a row for each of a hundred thousand cases.

    Rows are arrays in the order of `columns`; scripts and tags stand once.
    """
    scripts: dict[str, int] = {}
    tags: dict[str, int] = {}
    columns: list[str] = []
    beside = Beside(run, strips)
    begins = '{"cases":['
    for position, chunk in enumerate(chunks):
        first = 0
        rows: list[list[Any]] = []
        for case in chunk:
            row = _row(case)
            row["script"] = scripts.setdefault(case.script, len(scripts))
            row["tags"] = [tags.setdefault(tag, len(tags)) for tag in case.tags]
            row["chunk"], row["first"], row["lines"] = position, first, len(case.places())
            row |= beside.of(case)
            columns = list(row)
            rows.append(list(row.values()))
            first += row["lines"]
        yield begins + orjson.dumps(rows)[1:-1].decode()
        begins = ","
    rest = {
        "columns": columns,
        "verdicts": list(WORST_FIRST),
        "words": WORDS,
        "attention": [verdict for verdict in WORST_FIRST if verdict in ATTENTION],
        "again": _again(run),
    }
    yield (begins if begins != "," else "") + "]," + orjson.dumps(rest)[1:-1].decode() + ',"scripts":['
    yield from _pieces(list(scripts))
    yield "]," + orjson.dumps({"tags": list(tags), **beside.heads})[1:].decode()


def _pieces(texts: list[str]) -> Iterator[str]:
    """The inside of a JSON list of texts."""
    for at in range(0, len(texts), PIECE):
        yield ("," if at else "") + orjson.dumps(texts[at : at + PIECE])[1:-1].decode()


def _again(run: ReportModel) -> dict[str, Any]:
    """The words that run this run's cases again; without paths where naming the one script is shorter."""
    suite = (run.header.get("suite") or {}).get("file")
    given = (run.header.get("options") or {}).get("again") or {"paths": [suite] if suite else [], "options": []}
    return {"paths": given["paths"] if len(given["paths"]) <= MOST_PATHS else [], "options": given["options"]}


def _row(case: Case) -> dict[str, Any]:
    return {
        "id": case.id,
        "name": case.name,
        "title": case.title,
        "verdict": WORST_FIRST.index(case.verdict),
        "message": None if case.message is None else case.message[:300],
        "turns": case.last.count,
        "ms": round(case.elapsed_ms, 1),
        "flaky": int(case.flaky),
    }


# A browser holds a page of ASCII alone in one byte a character, and one with any other character in two: at ten thousand
# conversations that is a tenth of a report's memory.
NOT_ASCII = re.compile(r"[^\x00-\x7f]")


def ascii_markup(text: str) -> bytes:
    """Markup in which every other character is written as its number; text in script and style is escaped before."""
    return text.encode("ascii", "xmlcharrefreplace")


def _script_escape(found: re.Match[str]) -> str:
    units = found.group().encode("utf-16-be", "surrogatepass").hex()
    return "".join(f"\\u{units[place : place + 4]}" for place in range(0, len(units), 4))


def _style_escape(found: re.Match[str]) -> str:
    return f"\\{ord(found.group()):x} "


def json_for_script(value: Any) -> Any:
    """JSON that can stand in a script element: it cannot close it, nor end a line of script."""
    return _for_script(orjson.dumps(value).decode())


def _for_script(json: str) -> Any:
    from markupsafe import Markup

    text = NOT_ASCII.sub(_script_escape, json)
    for character in "<>&":
        text = text.replace(character, f"\\u{ord(character):04x}")
    return Markup(text)  # noqa: S704  # every character that could end the element was replaced


def index_of(run: ReportModel, cases: list[Case]) -> dict[str, Any]:
    """What the page's list needs of cases whose lines are packed together."""
    return orjson.loads("".join(_index(run, [cases])))  # type: ignore[no-any-return]


def live_context(run: ReportModel) -> dict[str, Any]:
    """The page of a run that is going on, without its cases: it asks whoever gave it for them, and nobody else."""
    found = _context(run, [], [], ReportOptions(), (LIVE,))
    return found | {"policy": f"{found['policy']}; connect-src 'self'", "total": len(run.cases), "chunks": [], "plain": []}


def _context(
    run: ReportModel,
    cases: list[Case],
    chunks: list[list[Case]],
    options: ReportOptions,
    scripts: tuple[str, ...] = (),
) -> dict[str, Any]:
    covered = options.coverage
    more = () if covered is None else (COVERAGE,)
    script = asset("script", "js", (*SCRIPTS[:-1], *more, *scripts, SCRIPTS[-1]))
    style = asset("style", "css", (*STYLES, *more))
    counts = [(verdict, WORDS[verdict], count) for verdict, count in run.counts.items() if count]
    suite = run.header.get("suite") or {}
    return {
        "title": suite.get("title") or suite.get("file") or run.header.get("id") or run.folder.name,
        "verdict": verdict_words(run),
        "beside": beside_words(run),
        "tone": tone(run),
        "note": partial_note(run),
        "partial": run.partial,
        "tolerated": lived_with_words(run),
        "judge": _judge(run),
        "simulator": _simulator(run),
        "facts": [(label, visible(value)) for label, value in (*facts(run), *_covered(covered))],
        "coverage": None if covered is None else covered.packed(),
        "gates": [_gate(gate) for gate in run.gates],
        "counts": counts,
        "bar": list(_bar(counts, max(1, run.planned))),
        "total": len(cases),
        "plain": list(_plain(run)),
        "attention": len(run.attention),
        "index": map(_for_script, _index(run, chunks, options.history)),
        "script": script,
        "style": style,
        "policy": f"default-src 'none'; script-src '{digest_of(script)}'; style-src '{digest_of(style)}'; img-src data:; "
        "base-uri 'none'; form-action 'none'",
    }


def _judge(run: ReportModel) -> dict[str, Any] | None:
    """What the page says of a judge."""
    words = judge_words(run)
    if words is None:
        return None
    return {
        "words": words,
        "audit": audit_words(run),
        "warning": judge_warning(run),
        "failed": failed_rows(run),
        "failed_count": failed_count(run),
        "missed": list(missed_words(run)),
        "rubrics": rubric_rows(run),
    }


def _simulator(run: ReportModel) -> dict[str, Any] | None:
    """What the page says of simulated users."""
    words = simulated_words(run)
    return None if words is None else {"words": words, "warning": simulated_warning(run), "blamed": list(blamed_words(run))}


def _covered(covered: CoverageView | None) -> list[tuple[str, str]]:
    return [] if covered is None else [("Coverage", covered.words)]


def _gate(gate: Any) -> dict[str, Any]:
    return {
        "name": gate_name(gate),
        "limit": gate_limit(gate),
        "observed": _unjudged(gate) if gate.get("passed", False) is None else number(gate.get("observed")),
        "count": gate_count(gate),
        "passed": gate.get("passed", False),
        "message": gate.get("message"),
    }


def _unjudged(gate: Any) -> str:
    """What stands in place of a figure."""
    return "no comparison" if gate_reason(gate) == "nothing was compared" else "not judged"


def _bar(counts: list[tuple[str, str, int]], total: int) -> Iterator[tuple[str, float, float]]:
    """(verdict, start, width) of each part of the bar, in thousandths of its length; a part is never too thin to see."""
    start = 0.0
    least = 6.0
    spare = 1000.0 - least * len(counts)
    for verdict, _, count in reversed(counts):
        width = round(least + spare * count / total, 2)
        yield verdict, round(start, 2), width
        start += width


def _plain(run: ReportModel) -> Iterator[dict[str, Any]]:
    """The worst cases as text, for readers without JavaScript."""
    room = PLAIN_CHARACTERS
    for case in run.attention[:PLAIN_CASES]:
        frames = [plain(failure, limit=400) for failure in run.failures(case)]
        room -= sum(len(text) for text in frames) + 500
        if room < 0:
            return
        yield {
            "verdict": WORDS[case.verdict],
            "name": visible(case.name),
            "title": visible(case.title),
            "message": visible(case.message or ""),
            "frames": frames,
        }


@lru_cache(maxsize=4)
def asset(folder: str, suffix: str, names: tuple[str, ...]) -> Any:
    """The page's script or style sheet: its parts in order, as they will stand in the element."""
    from markupsafe import Markup

    root = files("focal_eval.report") / "assets" / folder
    text = "\n".join((root / f"{name}.{suffix}").read_text(encoding="utf-8").strip() for name in names)
    if suffix == "js":
        text = f'(() => {{\n"use strict";\n{text}\n}})();'
    text = NOT_ASCII.sub(_script_escape if suffix == "js" else _style_escape, text)
    return Markup(f"\n{text}\n")  # noqa: S704  # our own files


def digest_of(text: str) -> str:
    """What a policy calls a script or a style sheet."""
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()


@lru_cache(maxsize=1)
def template() -> Any:
    """The report's shell."""
    from jinja2 import Environment, PackageLoader, StrictUndefined

    loader = PackageLoader("focal_eval.report", "assets")
    env = Environment(loader=loader, undefined=StrictUndefined, autoescape=True, trim_blocks=True, lstrip_blocks=True)
    return env.get_template("shell.html.j2")
