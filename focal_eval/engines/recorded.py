"""Any engine with a cassette: its conversations are recorded, or replayed instead of held.

A conversation is the recorded one where it begins the same (channel, variables, history, scenario, seed, what the script's
tools answer) and says the same. What cannot be replayed is asked of the engine, or is a miss where it must not be asked.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from itertools import islice

from focal_eval.clock import Clock
from focal_eval.engines.base import Abilities, Coming, Engine, Foreseen, Session, SessionStart
from focal_eval.engines.cassette import Replay, reported, speaks_first
from focal_eval.engines.difference import alike, data_difference, same, word_difference
from focal_eval.engines.recording import RecordedConversation, RecordedEngine, RecordedTurn
from focal_eval.engines.tape import Shelf, Tape
from focal_eval.engines.taping import Calls, Layer, Mode, current
from focal_eval.errors import CassetteMiss
from focal_eval.records import UNKNOWN, Json, MessageRecord, Reply, UnknownType
from focal_eval.text import shorten

_LOOKED_AT = 200  # conversations that may be the nearest one


class Recorder:
    """An engine that records to cassettes and replays from them; `live` is None where nothing but recordings is asked for."""

    def __init__(
        self, live: Engine | None, shelf: Shelf, modes: Mapping[Layer, Mode], *, kind: str, agent: str | None, clock: Clock
    ) -> None:
        self.live, self.shelf, self.modes, self.agent, self.clock = live, shelf, modes, agent, clock
        self.keeps_broken = False  # whether a conversation is kept in which a turn was not answered
        self.counts: Counter[str] = Counter()  # conversations: replayed, recorded, missed
        self._kind = kind
        self._abilities = _recorded_abilities(shelf) if live is None else live.abilities

    @property
    def abilities(self) -> Abilities:
        return self._abilities

    async def open(self, start: SessionStart) -> Session:
        tape = self.shelf.tape(start.script)
        begin = Beginning.of(start, tape)
        recorded = begin.find()
        mode = self.modes.get("turns")
        if mode in ("replay", "replay-else-record"):
            miss = begin.miss(recorded)
            if miss is None and recorded is not None and mode == "replay-else-record":
                miss = begin.outdated(recorded, self.agent)
            if miss is None and recorded is not None:
                return _Replaying(recorded, tape, self.counts)
            if mode == "replay":
                assert miss is not None
                self.counts["missed"] += 1
                raise miss
        assert self.live is not None
        asked: dict[Layer, Mode] = {layer: mode for layer, mode in self.modes.items() if layer != "turns"}
        calls = Calls(asked, () if recorded is None else recorded.calls, (begin.key, tape.shown), tape.clean)
        with _asked_in(calls):
            session = await self.live.open(start)
        return _Recording(self, session, begin, calls)

    async def close(self) -> None:
        if self.live is not None:
            await self.live.close()

    def as_json(self) -> dict[str, Json]:
        """The cassette, and the mode of each layer, for a run's header."""
        return {"file": self.shelf.file, "layers": dict(self.modes)}

    def told(self) -> str:
        """What became of the conversations, in words."""
        counted = [f"{self.counts[word]:,} {word}" for word in ("replayed", "recorded", "missed") if self.counts[word]]
        return f"cassette {self.shelf.file}: {', '.join(counted) or 'nothing replayed or recorded'}"

    def save(self) -> None:
        """Writes what was recorded. Raises StorageError; what could not be written stays beside the cassette."""
        if self.live is not None:
            self.shelf.save(RecordedEngine(self._kind, self.live.abilities))


def _recorded_abilities(shelf: Shelf) -> Abilities:
    """What was said of the recorded engines, else what their replies show."""
    found = [tape.recording.engine or RecordedEngine("", _shown_abilities(tape)) for tape in shelf]
    told = [one.abilities for one in found]
    return Abilities(
        reports=frozenset[str]().union(*(able.reports for able in told)),
        speaks_first=any(able.speaks_first for able in told),
        seeds=frozenset[str]().union(*(able.seeds for able in told)),
        stubs=any(able.stubs for able in told),
        deterministic=True,
    )


def _shown_abilities(tape: Tape) -> Abilities:
    talks = tape.conversations.values()
    return Abilities(reports=reported(talks), speaks_first=speaks_first(talks), deterministic=True)


class Beginning:
    """How a conversation begins, and the recorded ones it is looked for among."""

    def __init__(self, start: SessionStart, seen: Foreseen, tape: Tape) -> None:
        self.tape, self.seen, self.script = tape, seen, start.script
        self.foresees = start.foreseen is not None
        self.key = seen.name or start.script or start.case
        self.named = start.metadata.get("cassette")
        self.start: Mapping[str, Json] = tape.clean(_identity(start, seen.stubs))

    @classmethod
    def of(cls, start: SessionStart, tape: Tape) -> Beginning:
        return cls(start, start.foreseen() if start.foreseen is not None else Foreseen(""), tape)

    def find(self) -> RecordedConversation | None:
        """The conversation recorded under its key, or under one that means the same."""
        known = self.tape.conversations
        return next((known[key] for key in self._keys() if key in known), None)

    def _keys(self) -> Iterator[str]:
        if self.named is not None:
            yield str(self.named)
        yield self.key
        yield self.key.removesuffix("#1") if self.key.endswith("#1") else f"{self.key}#1"  # a case is the first of repeats
        if self.key in (self.script, f"{self.script}#1"):
            parts = self.script.split("/")
            yield from ("/".join(parts[at:]) for at in range(len(parts)))

    def miss(self, recorded: RecordedConversation | None) -> CassetteMiss | None:
        """Why nothing recorded can stand for the conversation, None where something may.

        Where the user's words are other ones, that is said at the turn, when the turns before it were replayed.
        """
        if recorded is None or not recorded.turns:
            return self._unknown()
        if recorded.start is not None and (said := data_difference(recorded.start, self.start)):
            text = f"the recording '{recorded.key}' in {self.tape.shown} began otherwise than the script does"
            return CassetteMiss(text, detail=said)
        return None

    def outdated(self, recorded: RecordedConversation, agent: str | None) -> CassetteMiss | None:
        """Why a recording that may be made again should be: another agent answered, or something else will be said."""
        where = f"the recording '{recorded.key}' in {self.tape.shown}"
        if agent is not None and recorded.agent is not None and recorded.agent != agent:
            return CassetteMiss(f"{where} is of another version of the agent")
        return None if not self.foresees or self._fits(recorded) else CassetteMiss(f"{where} is of other words")

    def _fits(self, recorded: RecordedConversation) -> bool:
        """Whether all that is going to be said was recorded, and no more."""
        coming = self.seen.coming
        if self.seen.says is not None:
            return self._would_say(recorded, len(coming))
        at = 0
        for turn in recorded.turns:
            while at < len(coming) and not self._same(coming[at], turn.user):
                if coming[at].sure:
                    return False
                at += 1
            if at == len(coming):
                return False
            at += 1
        return not any(message.sure for message in coming[at:])

    def _would_say(self, recorded: RecordedConversation, first: int) -> bool:
        """Whether a simulated user would hold the recorded conversation, behind its first turns, and end it there."""
        assert self.seen.says is not None
        replies: list[Reply] = []
        before = recorded.turns[:first]
        if len(before) < first:
            return False
        if not all(self._same(message, turn.user) for message, turn in zip(self.seen.coming, before, strict=True)):
            return False
        for turn in recorded.turns[first:]:
            said = self.seen.says(replies)
            if said is None or not self._same(Coming(said), turn.user):
                return False
            replies.append(turn.reply)
        return self.seen.says(replies) is None

    def _same(self, message: Coming, said: str | None) -> bool:
        text = message.text
        return text is UNKNOWN or same(text if text is None else self.tape.clean(text), said)

    def _unknown(self) -> CassetteMiss:
        text = f"{self.tape.shown} holds no conversation '{shorten(str(self.named or self.key))}'"
        first = next((item.text for item in self.seen.coming if isinstance(item.text, str)), None)
        some = islice(sorted(self.tape.conversations.items()), _LOOKED_AT)
        begun = {key: talk.turns[0].user or "" for key, talk in some if talk.turns}
        if first is None or not begun:
            return CassetteMiss(text)
        asked = self.tape.clean(first)
        near = max(begun, key=lambda key: alike(asked, begun[key]))
        share = f"{alike(asked, begun[near]):.0%} alike"
        return CassetteMiss(
            text, detail=f"nearest recorded beginning: '{near}', {share}\n{word_difference(begun[near], asked)}"
        )


def _identity(start: SessionStart, stubs: Json) -> dict[str, Json]:
    """What a conversation begins with, as far as the replies may depend on it."""
    told = {
        "channel": start.channel,
        "seed": start.seed,
        "metadata": {name: value for name, value in start.metadata.items() if name != "cassette"},
        "variables": start.variables,
        "history": [{"user": turn.user, "agent": turn.agent} for turn in start.history],
        "scenario": start.scenario,
        "stubs": stubs,
    }
    return {name: value for name, value in told.items() if value or name in ("channel", "seed")}


@contextmanager
def _asked_in(calls: Calls) -> Iterator[None]:
    token = current.set(calls)
    try:
        yield
    finally:
        current.reset(token)


class _Replaying(Replay):
    """A recorded conversation; it counts as replayed once it was held to its end."""

    def __init__(self, recorded: RecordedConversation, tape: Tape, counts: Counter[str]) -> None:
        super().__init__(recorded, tape.shown, "text", tape.clean)
        self._counts, self._missed = counts, False

    async def send(self, message: str | None) -> Reply:
        try:
            return await super().send(message)
        except CassetteMiss:
            self._counts["missed"] += not self._missed
            self._missed = True
            raise

    async def stored(self) -> tuple[MessageRecord, ...] | UnknownType:
        self._counts["replayed"] += not self._missed
        return await super().stored()


class _Recording:
    """A live conversation; it is kept once it was held to its end, which reading back its messages tells."""

    def __init__(self, recorder: Recorder, session: Session, begin: Beginning, calls: Calls) -> None:
        self._recorder, self._session, self._begin, self._calls = recorder, session, begin, calls
        self._turns: list[RecordedTurn] = []
        self._broken = False  # whether a turn was not answered
        self._keeps_turns = "turns" in recorder.modes

    async def send(self, message: str | None) -> Reply:
        elapsed = self._recorder.clock.elapsed
        began = elapsed()
        try:
            with _asked_in(self._calls):
                reply = await self._session.send(message)
        except BaseException:
            self._broken = True
            raise
        if self._keeps_turns:
            reply = replace(reply, elapsed_ms=round((elapsed() - began) * 1000, 3))
            self._turns.append(RecordedTurn(message, reply))
        return reply

    async def stored(self) -> tuple[MessageRecord, ...] | UnknownType:
        messages: tuple[MessageRecord, ...] | UnknownType = UNKNOWN
        try:
            with _asked_in(self._calls):
                messages = await self._session.stored()
        except BaseException:
            self._broken = True
            raise
        finally:
            if not self._broken or self._recorder.keeps_broken:
                self._keep(messages if self._keeps_turns else UNKNOWN)
        return messages

    def _keep(self, messages: tuple[MessageRecord, ...] | UnknownType) -> None:
        begin, recorder = self._begin, self._recorder
        made = RecordedConversation(
            begin.key,
            tuple(self._turns),
            messages,
            start=begin.start,
            agent=recorder.agent,
            calls=tuple(self._calls.made),
        )
        if not (made.turns or made.calls):
            return
        if begin.tape.conversations.get(made.key) == made:
            recorder.counts["replayed"] += 1
            return
        begin.tape.add(made)
        recorder.counts["recorded"] += 1

    async def close(self) -> None:
        await self._session.close()
