"""Judges mutants of recorded conversations: who noticed, and where nobody did, which expectation is too weak."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from focal_eval.experiment.mutants import Fate, Killer, Tried
from focal_eval.experiment.trace_looking import lookers, weakness
from focal_eval.experiment.trace_mutants import Altered, Messages, mirrored
from focal_eval.experiment.trace_proposals import proposal
from focal_eval.records import UNKNOWN, Verdict
from focal_eval.runner.judge import PreparedScript
from focal_eval.runner.rejudge import Judged
from focal_eval.runner.standing import Standing
from focal_eval.value import value


@value
class Talk:
    """A recorded case that passed, ready to be altered."""

    name: str
    standing: Standing
    prepared: PreparedScript

    @property
    def good(self) -> bool:
        """Whether a change of it can be noticed: a case that fails already fails with the mutant, too."""
        return self.standing.judged.verdict is Verdict.PASSED


def judged(talk: Talk, altered: Altered) -> Judged:
    """The judgement of the altered record: of the altered turn and of the conversation, not of what cannot differ."""
    standing = talk.standing
    if altered.index is None or altered.turn is None:
        assert altered.messages is not UNKNOWN
        return standing.with_messages(altered.messages)
    return standing.altered(altered.index, altered.turn, _stored(talk, altered))


def _stored(talk: Talk, altered: Altered) -> Messages:
    """The stored messages altered like the turn; as they are where nobody looks at the conversation."""
    standing = talk.standing
    if altered.index is None or altered.turn is None or not talk.standing.closing:
        return standing.messages
    reply, changed = standing.turns[altered.index].reply, altered.turn.reply
    assert reply is not None
    assert changed is not None
    return mirrored(standing.messages, reply, changed)


def tried(found: Sequence[tuple[Talk, Altered]], siblings: Iterable[Talk] = ()) -> Tried:
    """What became of one mutant in the cases it was made in: the first that notices it kills it."""
    for count, (talk, altered) in enumerate(found, 1):
        bad = judged(talk, altered).bad
        if bad:
            turn, result = bad[0]
            return Tried(altered.mutant, Fate.KILLED, Killer(talk.name, result.text, turn), probes=count)
    talk, altered = found[0]
    others = [other.standing for other in siblings if other is not talk]
    looking = lookers(talk.standing, altered.lane, altered.index)
    return Tried(
        altered.mutant,
        Fate.SURVIVED,
        covered=tuple(one.name for one, _ in found),
        probes=len(found),
        weak=weakness(looking, altered.lane, altered.index),
        proposal=proposal(altered, talk.standing, others),
        at=(altered.mutant.file, altered.mutant.line),
    )
