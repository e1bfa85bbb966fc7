"""What is exported: scripts as cases with everything filled in, and what no other format has of them counted.

Each row of a script's `params` is a case of its own with its templates filled in. A value that a turn saves from the text of a
reply stays a template where the format has one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from focal_eval.document import read_file
from focal_eval.errors import Problems, Refused
from focal_eval.importers.losses import Losses
from focal_eval.runner.ready import fill_expectation
from focal_eval.script.collect import collect, script_id
from focal_eval.script.conditions import Equals, Fields, Items, Literal
from focal_eval.script.load import Loader, files_below, is_fragment
from focal_eval.script.matchers import Matcher
from focal_eval.script.model import Expectation, Said, Script, Turn
from focal_eval.script.suite import looks_like_agent, looks_like_suite, read_suite
from focal_eval.template import TemplateProblem, compile_template
from focal_eval.text import counted

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
    "simulated-user": "scripts with a simulated user",
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
class Format:
    """A format scripts can be exported to."""

    sentences: Mapping[str, str]
    approximated: frozenset[str]
    write: Callable[[Sequence[Case], Losses], Mapping[str, str]]  # texts by their path below the output folder
    template: str | None = None  # how the format says a saved value


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
    if script.simulator is not None:
        losses.add("simulated-user", script.simulator.span)
        return
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
