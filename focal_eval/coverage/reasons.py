"""What the embedded agent says why it took an edge: enough to tell edges apart that begin and end at the same steps."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import combinations

from focal_eval.agent.lexicon import Token, tokens
from focal_eval.agent.model import Go, Trigger
from focal_eval.value import value

MOST_TOOLS = 4
"""Tools in one edge's `on_tool_error` whose failures are told apart, each alone and together."""


@value
class Reasons:
    """All reasons a record can give for one edge; neither is known where they depend on more than words of the message."""

    exact: frozenset[str] | None = None
    words: frozenset[Token] | None = None  # the first words of what it listens for; a reason quotes some of them

    def fit(self, reason: str | None) -> bool:
        """Whether a record with this reason can be of this edge."""
        if self.exact is not None:
            return reason in self.exact
        if self.words is None or reason is None:
            return True
        if not (reason.startswith("'") and reason.endswith("'")):
            return False
        return all(self._heard(word) for word in reason[1:-1].split("', '"))

    def _heard(self, said: str) -> bool:
        assert self.words is not None
        return any(said.startswith(word) if start else said == word for word, start in self.words)


def of_go(go: Go, named: Mapping[str, Trigger]) -> Reasons:
    """The reasons for a transition."""
    if go.when is not None:
        return of_trigger(go.when, named) if go.if_ is None and not go.on_tool_error else Reasons()
    if len(go.on_tool_error) > MOST_TOOLS:
        return Reasons()
    tools = sorted(map(str, go.on_tool_error))
    failed = [[f"failed {tool}" for tool in some] for count in range(1, len(tools) + 1) for some in combinations(tools, count)]
    expression = [] if go.if_ is None else [str(go.if_)]
    return Reasons(frozenset(", ".join((*some, *expression)) or "always" for some in failed or [[]]))


def of_trigger(trigger: Trigger, named: Mapping[str, Trigger]) -> Reasons:
    """The reasons a trigger gives; known where it listens for words alone."""
    found = list(_heard(trigger, named, set()))
    known = [part for part in found if part is not None]
    return Reasons(words=frozenset(known) if len(known) == len(found) else None)


def _heard(trigger: Trigger, named: Mapping[str, Trigger], seen: set[str]) -> Iterator[Token | None]:
    """First words; None for whatever else the trigger looks at. What must not hold gives no reason."""
    if trigger.pattern or trigger.filled or trigger.corrected or trigger.language or trigger.called:
        yield None
    if trigger.on_tool_error or trigger.if_ is not None:
        yield None
    for text in (*trigger.any_words, *trigger.all_words, *trigger.phrase):
        yield from tokens(text)[:1]
    for name in map(str, trigger.trigger):
        if name not in named:
            yield None
        elif name not in seen:
            seen.add(name)
            yield from _heard(named[name], named, seen)
    for inner in (*trigger.any_, *trigger.all_):
        yield from _heard(inner, named, seen)
