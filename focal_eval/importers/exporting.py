"""Scripts go back to another tool's format: what it cannot express refuses the export, or is told, as the caller says.

Each row of a script's `params` is a case of its own with its templates filled in. A value that a turn saves from the text of a
reply stays a template where the format has one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from focal_eval.document import read_file
from focal_eval.errors import Problems, Refused, StorageError, UsageError
from focal_eval.importers.losses import Loss, Losses
from focal_eval.importers.run import loss_lines
from focal_eval.registry import did_you_mean
from focal_eval.runner.ready import fill_expectation
from focal_eval.script.collect import collect, script_id
from focal_eval.script.conditions import Equals, Fields, Items, Literal
from focal_eval.script.load import Loader, files_below, is_fragment
from focal_eval.script.matchers import Matcher
from focal_eval.script.model import Expectation, Said, Script, Turn
from focal_eval.script.suite import looks_like_agent, looks_like_suite, read_suite
from focal_eval.source import whole_file
from focal_eval.template import TemplateProblem, compile_template
from focal_eval.text import counted, of_them

MAX_CASES = 20_000

SENTENCES = {
    "agent-first": "turns in which the agent speaks first",
    "branch": "turns that are sent under a condition (`when`)",
    "conversation-check": "expectations on the whole conversation",
    "folded-text": "texts that are compared without regard to quotes and white space",
    "golden-reply": "golden replies (`agent`), which the suite compares",
    "group": "groups of expectations (`any_of`, `all_of`, `not`)",
    "known-failure": "marks `xfail` and `skip`",
    "matcher": "matchers of values other than the value itself",
    "other-check": "checks of what the format does not see",
    "result": "results and errors of calls that are expected",
    "saved": "values that turns save",
    "setting": "channel, metadata and time limits",
    "start": "where the conversation starts: scenario, history or variables",
    "stubs": "what tools answer (`tools`)",
    "unfilled": "templates that have no value before the conversation is held",
    "variants": "other texts that mean the same: the first one is said",
}
"""What the losses common to all formats mean."""


@dataclass(frozen=True, slots=True)
class Case:
    """A script with one row of its params: what is said and expected, templates filled in."""

    script: Script
    name: str
    turns: tuple[Told, ...]


@dataclass(frozen=True, slots=True)
class Told:
    """One turn of a case."""

    turn: Turn
    user: str
    expect: tuple[Expectation, ...]
    agent: str | None


@dataclass(frozen=True, slots=True)
class ExportReport:
    """What an export wrote and what the format could not express."""

    format: str
    out: str
    files: tuple[str, ...]
    cases: int
    turns: int
    kept: Mapping[str, int]
    losses: tuple[Loss, ...]

    def to_json(self) -> dict[str, Any]:
        """The report as plain data, places as `file:line:column`."""
        return asdict(self) | {"losses": [{**asdict(loss), "example": str(loss.example)} for loss in self.losses]}

    def text(self) -> str:
        """The report for people."""
        parts = [f"Wrote {counted(self.cases, 'case')}, {counted(self.turns, 'turn')} to {self.out}."]
        if self.kept:
            parts.append("Kept: " + ", ".join(of_them(count, what) for what, count in self.kept.items()) + ".")
        for title, fate in (("Approximated:", "approximated"), ("Left behind:", "dropped")):
            found = tuple(loss for loss in self.losses if loss.fate == fate)
            if found:
                parts += ["", title, *loss_lines(found)]
        return "\n".join(parts)


@dataclass(frozen=True, slots=True)
class Format:
    """A format scripts can be exported to."""

    sentences: Mapping[str, str]
    approximated: frozenset[str]
    write: Callable[[Sequence[Case], Losses], Mapping[str, str]]  # texts by their path below the output folder
    template: str | None = None  # how the format says a saved value


def formats() -> Mapping[str, Format]:
    """The formats by their names."""
    from focal_eval.importers import export_promptfoo, export_rasa

    return {"promptfoo": export_promptfoo.FORMAT, "rasa": export_rasa.FORMAT}


def export_files(format: str, paths: Sequence[Path], out: Path, *, lossy: bool = False, force: bool = False) -> ExportReport:
    """Exports scripts, folders of them, or those of suites into a folder; nothing is written unless all of it can be.

    What the format cannot express refuses the export unless `lossy`; what it says only nearly is told in the report.
    Raises Refused with every such thing at its place, UsageError for an unknown format, StorageError.
    """
    known = formats()
    if format not in known:
        raise UsageError(f"nothing is exported to '{format}'; {did_you_mean(format, known)}")
    chosen = known[format]
    losses = Losses(chosen.sentences, chosen.approximated)
    cases = [case for script in load_scripts(paths) for case in cases_of(script, losses, chosen.template)]
    if not cases:
        raise Refused("nothing was exported: there are no scripts in " + ", ".join(map(str, paths)))
    files = chosen.write(cases, losses)
    dropped = [loss for loss in losses.listed() if loss.fate == "dropped"]
    if dropped and not lossy:
        problems = Problems()
        for loss in dropped:
            problems.error("export-lossy", f"{loss.what} ({loss.count:,})", loss.example, help="--lossy leaves them behind")
        raise Refused(
            f"nothing was exported: {format} cannot express {counted(len(dropped), 'kind of things', 'kinds of things')}",
            problems,
        )
    _write(files, out, force)
    turns = sum(len(case.turns) for case in cases)
    return ExportReport(format, str(out), tuple(files), len(cases), turns, losses.kept(), losses.listed())


def load_scripts(paths: Sequence[Path]) -> list[Script]:
    """The scripts of files, folders and suites, each once. Raises Refused with every problem of every file."""
    problems = Problems()
    found: dict[Path, tuple[str, Path]] = {}
    for path in paths:
        if path.is_dir():
            for file in files_below(path):
                if not is_fragment(file):
                    _file(file, path, found, problems, asked=False)
        else:
            _file(path, path.parent, found, problems, asked=True)
    scripts = []
    for path, (name, root) in found.items():
        loaded = Loader(root).load([(path, name)])
        problems.extend(loaded.errors)
        scripts += loaded.scripts
    if problems.errors:
        raise Refused(f"nothing was exported: {counted(len(problems.errors), 'problem')}", problems)
    return scripts


def _file(path: Path, top: Path, found: dict[Path, tuple[str, Path]], problems: Problems, *, asked: bool) -> None:
    document = read_file(path)
    if looks_like_suite(document.root):
        suite = read_suite(document, path)
        problems.extend(item for item in document.problems if item.severity == "error")
        if suite is not None:
            entries, root = collect(suite, problems)
            for file, name in entries:
                found.setdefault(file.resolve(), (name, root))
    elif asked or not looks_like_agent(document.root):
        found.setdefault(path.resolve(), (script_id(path.resolve(), top.resolve()), top))


def cases_of(script: Script, losses: Losses, template: str | None) -> Iterator[Case]:
    """The cases of a script; what a format says nothing of is counted."""
    _beside(script, losses)
    saved = {
        item.name: template.format(item.name) for turn in script.turns for item in turn.save if template and _text(item.source)
    }
    for number, row in enumerate(script.rows):
        values = {**saved, **script.given.variables, **row}
        name = script.id + (f" #{number + 1}" if len(script.rows) > 1 else "")
        yield Case(
            script, name, tuple(told for turn in script.turns if (told := _told(script, turn, values, losses)) is not None)
        )


def _text(source: Said) -> bool:
    return source.text.strip() == "response.text"


def _beside(script: Script, losses: Losses) -> None:
    for found, kind in ((script.xfail, "known-failure"), (script.skip, "known-failure")):
        if found is not None:
            losses.add(kind, found.span)
    for item in script.conversation:
        losses.add("conversation-check", item.span)
    for turn in script.turns:
        if turn.timeout_s is not None:
            losses.add("setting", turn.span)
    if script.channel is not None or script.timeout_s is not None:
        losses.add("setting", script.span)


def _told(script: Script, turn: Turn, values: Mapping[str, Any], losses: Losses) -> Told | None:
    if turn.when is not None:
        losses.add("branch", turn.span)
        return None
    if not turn.user:
        losses.add("agent-first", turn.span)
        return None
    for other in turn.user[1:]:
        losses.add("variants", other.span)
    user = filled(turn.user[0], values, losses)
    if user is None:
        return None
    expect = tuple(found for item in turn.expect if (found := _filled(item, values, script, losses)) is not None)
    agent = None if turn.agent is None else filled(turn.agent, values, losses)
    losses.keep("user turns")
    return Told(turn, user, expect, agent)


def filled(text: Said, values: Mapping[str, Any], losses: Losses) -> str | None:
    """A text with its templates filled in; None, counted, where a value is known only while the conversation is held."""
    if not text.template:
        return text.text
    try:
        return str(compile_template(text.text).fill(values))
    except TemplateProblem:
        losses.add("unfilled", text.span)
        return None


def _filled(item: Expectation, values: Mapping[str, Any], script: Script, losses: Losses) -> Expectation | None:
    if item.children:
        groups = tuple(tuple(_filled(child, values, script, losses) for child in group) for group in item.children)
        if any(child is None for group in groups for child in group):
            return None
        return Expectation(
            item.key, item.span, item.value_span, None, item.soft, item.because,
            tuple(tuple(child for child in group if child is not None) for group in groups),
        )  # fmt: skip
    if not item.templated:
        return item
    made = fill_expectation(item, values, script.texts)
    if isinstance(made, str):
        losses.add("unfilled", item.span)
        return None
    return made


class NotPlain(ValueError):
    """A matcher that is not just a value."""


def plain_of(matcher: Matcher) -> Any:
    """The value a matcher stands for. Raises NotPlain where it is anything else."""
    return _plain(matcher.condition)


def _plain(condition: Any) -> Any:
    if isinstance(condition, (Literal, Equals)):
        return condition.value
    if isinstance(condition, Items):
        return [_plain(item) for item in condition.items]
    if isinstance(condition, Fields) and not condition.only:
        return {name: _plain(item) for name, item in condition.fields.items()}
    raise NotPlain


def _write(files: Mapping[str, str], out: Path, force: bool) -> None:
    problems = Problems()
    for name, text in files.items():
        path = out / name
        try:
            if not force and path.exists() and path.read_text(encoding="utf-8", errors="replace") != text:
                fix = "export into another folder, or overwrite it with --force"
                problems.error("import-overwrites", "the file is there already and differs", whole_file(str(path)), help=fix)
        except OSError as problem:
            raise StorageError(f"{path} cannot be read: {problem.strerror or problem}") from None
    if problems.errors:
        raise Refused("nothing was exported: files would be overwritten", problems)
    for name, text in files.items():
        path = out / name
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
        except OSError as problem:
            raise StorageError(f"{path} cannot be written: {problem.strerror or problem}") from None
