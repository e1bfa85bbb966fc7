"""Which rules match: candidates by trigger or score, then the filters, then the relations between rules."""

from __future__ import annotations

from collections.abc import Iterable

from focal_eval.agent.compiled import PlayedRule
from focal_eval.agent.filling import filled
from focal_eval.agent.score import LexicalScorer, Scorer
from focal_eval.agent.turn import Dropped, Match, Work
from focal_eval.template import TemplateProblem

_LEXICAL = LexicalScorer()


def match_early(work: Work, scorer: Scorer | None) -> None:
    """Looks at every rule that does not wait for tools."""
    found = _tested(work, work.agent.early.touched(work))
    found += _scored(work, scorer)
    _take(work, found)


def match_late(work: Work) -> list[str]:
    """Looks at the rules that wait for tools; the names of those that matched now."""
    waiting = [rule for rule in work.agent.late.touched(work) if rule.name not in work.matched]
    if not waiting:
        return []
    before = set(work.matched)
    _take(work, _tested(work, waiting))
    return [name for name in work.matched if name not in before]


def _tested(work: Work, rules: Iterable[PlayedRule]) -> list[tuple[PlayedRule, Match]]:
    found = []
    for rule in rules:
        assert rule.test is not None
        if rule.test.holds(work):
            why = filter_of(work, rule)
            reason = ", ".join(rule.test.evidence(work)) or "its trigger holds"
            if why is None:
                found.append((rule, Match(rule.name, 1.0, reason)))
            else:
                work.dropped[rule.name] = Dropped(rule.name, 1.0, *why, reason)
            continue
        if rule.mentioned.isdisjoint(work.hits):
            continue
        share = rule.test.share(work)
        if 0 < share < 1:
            seen = ", ".join(rule.test.evidence(work))
            work.dropped[rule.name] = Dropped(rule.name, round(share, 4), "near-miss", "a part of its trigger", seen)
    return found


def _scored(work: Work, scorer: Scorer | None) -> list[tuple[PlayedRule, Match]]:
    rules = work.agent.scored
    if not rules or not work.text.strip():
        return []
    last = work.state.history[-1][1] if work.state.history else None
    conditions = tuple(str(rule.rule.when) for rule in rules)
    scores = (scorer or _LEXICAL).scores(work.text, last or "", conditions)
    threshold, found = work.agent.settings.threshold, []
    for rule, score in zip(rules, scores, strict=True):
        if score < threshold or score <= 0:
            if score > 0:
                by = f"score {score:.2f} below {threshold:g}"
                work.dropped[rule.name] = Dropped(rule.name, float(score), "near-miss", by, "its condition")
            continue
        why = filter_of(work, rule)
        if why is None:
            found.append((rule, Match(rule.name, float(score), "its condition")))
        else:
            work.dropped[rule.name] = Dropped(rule.name, float(score), *why, "its condition")
    return found


def filter_of(work: Work, rule: PlayedRule) -> tuple[str, str | None] | None:
    """The filter that drops a rule and by what, None where it stays."""
    authored, state = rule.rule, work.state
    if not authored.enabled:
        return "disabled", None
    if not in_scope(work, rule):
        return "scope", ", ".join(sorted(rule.steps | rule.scenarios))
    if rule.languages and work.language not in rule.languages:
        return "requires", f"language is '{work.language}', not {' or '.join(sorted(rule.languages))}"
    last = state.last_fired.get(rule.name)
    if authored.cooldown_turns and last is not None and state.turn - last <= authored.cooldown_turns:
        return "cooldown", f"matched in turn {last}, {authored.cooldown_turns} turns have to pass"
    if authored.max_fires and state.fires.get(rule.name, 0) >= authored.max_fires:
        return "max-fires", f"matched {authored.max_fires} times already"
    if rule.requires is not None and (unmet := rule.requires.unmet(work.names())):
        return "requires", unmet
    return None


def in_scope(work: Work, rule: PlayedRule) -> bool:
    """Whether the conversation stands where the rule applies."""
    if not (rule.scenarios or rule.steps):
        return True
    state = work.state
    return state.scenario is not None and (state.scenario in rule.scenarios or f"{state.scenario}/{state.step}" in rule.steps)


def _take(work: Work, found: list[tuple[PlayedRule, Match]]) -> None:
    """Adds what was found, settles relations over all that matched, and sets the new ones' variables."""
    if not found:
        return
    old = set(work.matched)
    for rule, match in found:
        work.matched[rule.name] = match
        work.dropped.pop(rule.name, None)
    _imply(work, [rule for rule, _ in found])
    if len(work.matched) > 1:
        _relate(work)
    for name in work.matched:
        if name not in old:
            apply_sets(work, work.played(name).sets_now, f"rule {name}")


def _imply(work: Work, rules: list[PlayedRule]) -> None:
    queue = list(rules)
    while queue:
        rule = queue.pop(0)
        for implied in map(str, rule.rule.implies):
            if implied in work.matched:
                continue
            other = work.played(implied)
            why = filter_of(work, other)
            score, reason = work.matched[rule.name].score, f"implied by {rule.name}"
            if why is not None:
                work.dropped[implied] = Dropped(implied, score, *why, reason)
                continue
            work.matched[implied] = Match(implied, score, reason)
            work.dropped.pop(implied, None)
            queue.append(other)


def _relate(work: Work) -> None:
    """Drops what others exclude or outrank, highest first, and what is beyond `max_rules`; sorts what is left."""
    ranked = sorted(work.matched.values(), key=lambda match: _rank(work, match))
    kept: list[Match] = []
    gone: set[str] = set()
    for match in ranked:
        by = work.played(match.name).rule
        gone |= {str(name) for name in by.outranks if str(name) in work.matched}
    for match in ranked:
        rival = next((other.name for other in kept if _exclude(work, other.name, match.name)), None)
        if match.name in gone:
            above = next(m.name for m in ranked if match.name in map(str, work.played(m.name).rule.outranks))
            _drop(work, match, "outranked", above)
        elif rival is not None:
            _drop(work, match, "excluded", rival)
        elif len(kept) >= work.agent.settings.max_rules:
            _drop(work, match, "outranked", f"max_rules {work.agent.settings.max_rules}")
        else:
            kept.append(match)
    work.matched = {match.name: match for match in kept}


def _rank(work: Work, match: Match) -> tuple[int, float, int]:
    rule = work.played(match.name)
    return (-rule.rule.priority, -match.score, rule.order)


def _exclude(work: Work, one: str, other: str) -> bool:
    first, second = work.played(one).rule, work.played(other).rule
    return other in map(str, first.excludes) or one in map(str, second.excludes)


def _drop(work: Work, match: Match, why: str, by: str) -> None:
    work.dropped[match.name] = Dropped(match.name, match.score, why, by, match.reason)


def apply_sets(work: Work, sets: Iterable[tuple[str, object]], owner: str) -> None:
    """Sets variables; a value that cannot be made is left out and noted."""
    for name, value in sets:
        try:
            work.set(str(name), filled(value, work.names()))
        except TemplateProblem as problem:
            work.note(f"{owner} could not set {name}: {problem}")
