"""What a suite's checks need beside the engine: its judge, connected, and the sentence encoder or what stands in for it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from focal_eval.clock import Clock
from focal_eval.errors import Diagnostic, Problems
from focal_eval.evaluate.persona_setup import unset_player, without_player
from focal_eval.registry import find
from focal_eval.runner.judge import Aiding
from focal_eval.script.model import Expectation, Script
from focal_eval.script.names import expectations_of
from focal_eval.script.suite import Suite, SuiteFields
from focal_eval.script.suite_judge import JudgeFields

if TYPE_CHECKING:
    from focal_eval.report.model import ReportModel
    from focal_eval.runner.asking import Asker


def judge_of(fields: SuiteFields) -> JudgeFields | None:
    """The suite's judge, None where it has none or cannot be asked, as a variable is missing."""
    return None if fields.judge is None or fields.judge.missing else fields.judge.fields


def aiding_of(fields: SuiteFields) -> Aiding:
    """What judging takes from the suite."""
    judge = None if fields.judge is None else fields.judge.fields  # votes that are recorded count without its key, too
    if judge is None:
        return Aiding(fields.semantic.fallback, skips=fields.judge is not None and fields.judge.skips)
    return Aiding(fields.semantic.fallback, judge.abstains, judge.fails == "apart")


def asker_of(fields: SuiteFields, suite: Suite | None, secrets: tuple[str, ...], clock: Clock, share: int) -> Asker | None:
    """The suite's judge, ready to be asked by `share` conversations at a time at most; None where there is none.

    Raises StorageError where its cassette cannot be read.
    """
    judge = judge_of(fields)
    if judge is None or suite is None:
        return None
    from focal_eval.engines.credentials import cleaner
    from focal_eval.engines.model_client import ModelAccess, ModelClient
    from focal_eval.runner.asking import Asker, Voting
    from focal_eval.runner.redact import Redactor
    from focal_eval.runner.vote_book import VoteBook

    access = ModelAccess(
        judge.url, judge.model, judge.key, judge.headers, judge.extra, judge.timeout_s, judge.attempts, judge.max_requests_per_s
    )
    voting = Voting(judge.votes, judge.temperature, judge.structured, share, judge.prices)
    used = judge.cassette
    book = None if used is None else VoteBook(suite.folder / used.file, used.mode, cleaner(Redactor(secrets)))
    return Asker(ModelClient(access, clock), voting, book)


def unset_variables(fields: SuiteFields) -> Iterator[Diagnostic]:
    """An error for each variable of the environment that the judge needs and that is not set."""
    for variable, span in () if fields.judge is None else fields.judge.missing:
        fix = f"export {variable}=…, or write ${{{variable}:-default}}"
        yield Diagnostic("unset-variable", f"the environment variable {variable} is not set", span, help=fix)


async def told_of(asker: Asker, fields: SuiteFields, model: ReportModel, *, audits: bool) -> dict[str, Any] | None:
    """What the judge said in a run, and how it did in its audit; None where it was not asked."""
    from focal_eval.evaluate.judge_audit import audited
    from focal_eval.evaluate.judged import judgements_of

    judge = judge_of(fields)
    found = judgements_of(model)
    if judge is None or not found:
        return None
    audit = await audited(asker, found, model, judge.audit) if audits else None
    told = {"model": judge.model, "votes_each": judge.votes, "settings": asker.settings, "fails": judge.fails}
    return {**told, **found.as_json(), "audit": audit}


def told_again(source: Mapping[str, Any], model: ReportModel, aiding: Aiding) -> dict[str, Any] | None:
    """The same of a run that was judged again: its verdicts are new, its judge and the audit those of the `source`'s header."""
    from focal_eval.evaluate.judged import judgements_of

    before = source.get("judge")
    found = judgements_of(model)
    if not isinstance(before, dict) or not found:
        return None
    return {**before, "fails": "apart" if aiding.apart else "case", **found.as_json()}


def told_together(headers: Sequence[Mapping[str, Any]], model: ReportModel) -> dict[str, Any] | None:
    """The same of a run that was put together from shards, by their headers."""
    from focal_eval.evaluate.judge_audit import joined
    from focal_eval.evaluate.judged import judgements_of

    told = [judge for header in headers if isinstance(judge := header.get("judge"), dict)]
    if not told:
        return None
    audits = [judge["audit"] for judge in told if judge.get("audit")]
    return {**told[0], **judgements_of(model).as_json(), "audit": joined(audits)}


def without_judge(script: Script, fields: SuiteFields) -> Iterator[Diagnostic]:
    """An error for each expectation that a judge is to be asked about and cannot be: the suite has none, or it is a `when`."""
    if fields.judge is None:
        for item in expectations_of(script):
            if _aid(item) == "judge":
                fix = "add `judge: {url: …, model: …}` to the suite, or `judge: skip` to have nobody asked"
                yield Diagnostic("no-judge", "the suite names no judge to ask", item.span, help=fix)
        return
    decided = [(turn.when, "'when' is decided before anything is sent") for turn in script.turns]
    for state in () if script.simulator is None else script.simulator.states:
        decided += [(edge.when, "'when' of an edge decides what is said next") for edge in state.then]
    for when, why in decided:
        for item in _flat(when or ()):
            if _aid(item) == "judge":
                said = f"{why}, and no judge is asked for it"
                yield Diagnostic("no-judge", said, item.span, help="look at rules, tools or words instead")


class Needs:
    """What the scripts that were looked at need beside the engine, and cannot have."""

    def __init__(self, fields: SuiteFields) -> None:
        self._fields = fields
        self.problems = Problems()
        self._told: set[str] = set()

    def look(self, script: Script) -> None:
        """Looks at one script more."""
        self.problems.extend(without_judge(script, self._fields))
        self.problems.extend(without_player(script, self._fields))
        if "simulator" not in self._told and (unset := list(unset_player(script, self._fields))):
            self._told.add("simulator")
            self.problems.extend(unset)
        for item in expectations_of(script):
            aid = _aid(item)
            if aid == "judge" and aid not in self._told:
                self._told.add(aid)
                self.problems.extend(self._judge(item))
            elif aid == "semantic":
                self.problems.extend(self._encoder(item))

    def _judge(self, item: Expectation) -> Iterator[Diagnostic]:
        yield from unset_variables(self._fields)
        if self._fields.judge is not None and self._fields.judge.skips:
            said = "no judge is asked, as the suite says `judge: skip`: what one would decide is skipped"
            fix = "name a model: `judge: {url: …, model: …}`"
            yield Diagnostic("no-judge", said, item.span, severity="warning", help=fix)

    def _encoder(self, item: Expectation) -> Iterator[Diagnostic]:
        from focal_eval.checks.semantic_model import INSTALL, installed

        if installed():
            return
        if self._fields.semantic.fallback is None:
            said = "meanings are compared by a sentence encoder, which is not installed"
            fix = f"{INSTALL}, or say `semantic: {{fallback: lexical}}` in the suite"
            yield Diagnostic("no-encoder", said, item.span, help=fix)
        elif "lexical" not in self._told:
            self._told.add("lexical")
            said = "no sentence encoder is installed: likeness of words stands in for it, as the suite says"
            yield Diagnostic("no-encoder", said, item.span, severity="warning", help=INSTALL)


def _aid(item: Expectation) -> str | None:
    made = item.check if item.check is not None else find("checks", item.key)
    return None if made is None else made.aid


def _flat(items: tuple[Expectation, ...]) -> Iterator[Expectation]:
    for item in items:
        if item.children:
            for group in item.children:
                yield from _flat(group)
        else:
            yield item
