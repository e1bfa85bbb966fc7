"""Turns that change, counted by cause in bounded memory; tallies of parts of the stream add up to that of the whole."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from focal_eval.clock import content_id
from focal_eval.compare.cause import Found, cause_of, linked
from focal_eval.compare.model import PIPELINE, Cause, Change, Difference, Edit, Lane, TurnPair
from focal_eval.compare.structure import canonical
from focal_eval.compare.wording import figures, words
from focal_eval.records import Json
from focal_eval.records.conversation import Conversation

Shown = Callable[[Difference], Difference]
MAX_CLUSTERS = 500  # causes told apart; further ones are counted together
MAX_EXAMPLES = 3  # of a cluster, those with the fewest turns before them
MAX_FIGURES = 64  # different values of a cluster that its figures are made of
MAX_KNOCK_ON = 100


@dataclass(frozen=True, slots=True)
class Example:
    """One changed turn, with the conversation up to it; personal data is replaced in all of it."""

    turn: int
    sequence: int  # the conversation's number in the stream
    place: str  # file:line of the turn
    conversation: Conversation  # its turns up to this one
    before: Mapping[str, Json]  # rules, scenario, tools, template, response
    after: Mapping[str, Json]
    changes: tuple[str, ...]  # every difference of the turn, in words
    score: tuple[float | None, float | None] | None  # of the cause's rule
    state: Mapping[str, Json]  # variables, history, scenario: where the turn began
    redacted: Mapping[str, int]

    @property
    def rank(self) -> tuple[int, int]:
        return self.turn, self.sequence


@dataclass(slots=True)
class Cluster:
    """Changed turns with one cause."""

    cause: Cause
    turns: int = 0
    conversations: int = 0
    last: int = -1  # the conversation counted last
    examples: list[Example] = field(default_factory=list)
    figures: dict[str, Difference] = field(default_factory=dict)  # by a digest of the original values
    many: bool = False  # more different values than are kept
    scores: list[float | None] = field(default_factory=lambda: [None] * 4)  # lowest and highest, before and after
    knock_on: Counter[str] = field(default_factory=Counter)

    def wants(self, turn: int, sequence: int) -> bool:
        """Whether an example at this place would be kept."""
        return len(self.examples) < MAX_EXAMPLES or (turn, sequence) < self.examples[-1].rank

    def add(self, cause: Cause, sequence: int, differences: Sequence[Difference], shown: Shown) -> None:
        """Counts one changed turn; the first difference is its cause. `shown` is asked for what is kept of values."""
        self.turns += 1
        self.conversations += sequence != self.last
        self.last = sequence
        self._join(cause)
        first = differences[0]
        self._figure(content_id(canonical([first.kind, _figured(first.before), _figured(first.after)])), partial(shown, first))
        self._score(_scores(first))
        said = {words(item) for item in differences[1:]} - {cause.text}
        for text in sorted(said):
            if text in self.knock_on or len(self.knock_on) < MAX_KNOCK_ON:
                self.knock_on[text] += 1

    def _join(self, cause: Cause) -> None:
        mine = self.cause
        about = tuple(dict.fromkeys((*mine.about, *cause.about)))
        around = tuple(part for part in mine.around if part in cause.around)
        if about != mine.about or around != mine.around:
            self.cause = Cause(mine.key, mine.lane, mine.text, mine.what, about, around)

    def _figure(self, key: str, shown: Callable[[], Difference]) -> None:
        if key not in self.figures:
            if len(self.figures) < MAX_FIGURES:
                self.figures[key] = shown()
            else:
                self.many = True

    def _score(self, scores: Sequence[float | None]) -> None:
        for place, (score, best) in enumerate(zip(scores, (min, max, min, max), strict=True)):
            known = [one for one in (self.scores[place], score) if one is not None]
            self.scores[place] = best(known) if known else None

    def example(self, made: Example) -> None:
        """Keeps an example in its order."""
        self.examples = sorted([*self.examples, made], key=lambda one: one.rank)[:MAX_EXAMPLES]

    def merge(self, other: Cluster) -> None:
        """Adds what a later part of the stream has of the same cause."""
        self.turns += other.turns
        self.conversations += other.conversations  # parts are cut between conversations
        self.last = other.last
        self._join(other.cause)
        for key, item in other.figures.items():
            self._figure(key, partial(_same, item))
        self.many = self.many or other.many
        self._score(other.scores)
        for text, count in other.knock_on.items():
            if text in self.knock_on or len(self.knock_on) < MAX_KNOCK_ON:
                self.knock_on[text] += count
        self.examples = sorted([*self.examples, *other.examples], key=lambda one: one.rank)[:MAX_EXAMPLES]

    @property
    def text(self) -> str:
        """The cause in words, with figures where they can be told of all its turns."""
        items = list(self.figures.values())
        if self.cause.lane is Lane.RULES:
            items = [
                _scored(items[0], self.scores[0], self.scores[2]),
                _scored(items[0], self.scores[1], self.scores[3]),
                *items,
            ]
        elif self.many:
            return self.cause.text
        return " ".join(filter(None, (self.cause.text, figures(items))))

    def edits(self, edits: Sequence[Edit]) -> list[int]:
        """Positions of the edits that touch the cause."""
        return linked(self.cause, edits)


def _same(item: Difference) -> Difference:
    return item


def _figured(side: Json) -> Json:
    """What tells two sides apart: of a rule without its score, which is kept as a range."""
    return {key: item for key, item in side.items() if key != "score"} if isinstance(side, Mapping) else side


def _scores(item: Difference) -> tuple[float | None, float | None, float | None, float | None]:
    if item.lane is not Lane.RULES:
        return None, None, None, None
    before, after = (side.get("score") if isinstance(side, Mapping) else None for side in (item.before, item.after))
    return before, before, after, after


def _scored(item: Difference, before: float | None, after: float | None) -> Difference:
    """A rule's difference with other scores; what dropped it stays."""
    sides: list[Any] = []
    for side, score in ((item.before, before), (item.after, after)):
        known = {} if not isinstance(side, Mapping) else {key: value for key, value in side.items() if key != "score"}
        sides.append(side if score is None else {**known, "score": score})
    return Difference(item.lane, item.kind, item.what, sides[0], sides[1], item.path)


@dataclass(slots=True)
class Tally:
    """What a stream of conversations came to, or a part of it."""

    conversations: int = 0
    turns: int = 0
    compared: int = 0
    changed: int = 0
    changed_conversations: int = 0
    off_recording: int = 0  # turns after the first divergence of a free run
    uncompared: int = 0  # turns of which the record tells neither rules nor the scenario
    formats: Counter[str] = field(default_factory=Counter)  # conversations by format
    lanes: Counter[str] = field(default_factory=Counter)  # turns by lane that differs
    anchors: Counter[str] = field(default_factory=Counter)
    answers: Counter[str] = field(default_factory=Counter)  # tool calls by who answered
    clusters: dict[str, Cluster] = field(default_factory=dict)
    more: int = 0  # changed turns of causes beyond those told apart

    def change(self, sequence: int, found: Sequence[Difference], around: tuple[str, ...], shown: Shown) -> Cluster | None:
        """Counts a changed turn; its cluster, None where there are too many. `shown` makes a difference fit to be kept."""
        self.changed += 1
        self.lanes.update({item.lane.value for item in found})
        cause = cause_in(found, around)
        cluster = self.clusters.get(cause.key)
        if cluster is None:
            if len(self.clusters) >= MAX_CLUSTERS:
                self.more += 1
                return None
            cluster = self.clusters[cause.key] = Cluster(cause)
        cluster.add(cause, sequence, found, shown)
        return cluster

    def merge(self, other: Tally) -> None:
        """Adds the tally of the next part of the stream."""
        for name in (
            "conversations",
            "turns",
            "compared",
            "changed",
            "changed_conversations",
            "off_recording",
            "uncompared",
            "more",
        ):
            setattr(self, name, getattr(self, name) + getattr(other, name))
        for name in ("formats", "lanes", "anchors", "answers"):
            getattr(self, name).update(getattr(other, name))
        for key, cluster in other.clusters.items():
            if key in self.clusters:
                self.clusters[key].merge(cluster)
            elif len(self.clusters) < MAX_CLUSTERS:
                self.clusters[key] = cluster
            else:
                self.more += cluster.turns

    def ranked(self) -> list[Cluster]:
        """The clusters, the biggest first."""
        return sorted(self.clusters.values(), key=_rank)


def _rank(cluster: Cluster) -> tuple[int, int, str]:
    return -cluster.turns, PIPELINE.index(cluster.cause.lane), cluster.cause.key


def cause_in(found: Sequence[Difference], around: Iterable[str]) -> Cause:
    """The cause of a turn's differences as comparisons of runs tell it: the first of them."""
    near = tuple(around)
    pair = TurnPair(0, 0, tuple(found))
    cause, _, _ = cause_of(Found((pair,), (), (), "", frozenset(), Change.CHANGED), lambda _: near)
    assert cause is not None
    return cause
