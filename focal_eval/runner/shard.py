"""Cuts a plan into shards: the same cases on every machine, repeats of a case together, shards about equally long.

Bounded loads over a hash: each case has a shard of its own by its name alone, and goes elsewhere only where that one is full.
The long cases choose first, as the longest-processing-time rule has it (Graham, R. L. 1969, "Bounds on Multiprocessing Timing
Anomalies", SIAM Journal on Applied Mathematics 17, 416-429); the bound on loads is that of Mirrokni, Thorup and Zadimoghaddam
2018, "Consistent Hashing with Bounded Loads", SODA.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from focal_eval.clock import content_id
from focal_eval.runner.plan import Case, Plan
from focal_eval.runner.repeats import key_of
from focal_eval.value import value

MOST = 10_000  # shards of one run
SLACK = 1.04
"""How much fuller than the average a shard may be: cases leave their own shard beyond it."""
GRID = 1.02
"""Limits of loads are rounded up to powers of it, so that a case more or less seldom moves another one."""


@value
class Shard:
    """One of several parts of a run, counted from 1."""

    index: int
    of: int

    def __str__(self) -> str:
        return f"{self.index}/{self.of}"


def shard_from(text: str) -> Shard:
    """`2/3`. Raises ValueError with a sentence for anything else."""
    index, slash, of = text.partition("/")
    if not slash or not all(part.isascii() and part.isdigit() and len(part) < 10 for part in (index, of)):
        raise ValueError(f"'{text}' is not of the form I/N, such as 1/3")
    shard = Shard(int(index), int(of))
    if not 1 <= shard.of <= MOST:
        raise ValueError(f"'{text}': a run has 1 to {MOST:,} shards")
    if not 1 <= shard.index <= shard.of:
        raise ValueError(f"'{text}': shards are counted from 1 to {shard.of}")
    return shard


@value
class Cut:
    """A shard's part of a plan, and what it is a part of."""

    shard: Shard
    plan: Plan
    whole: Plan
    cuts: str  # a digest of which case is in which shard: the same in all of them
    weight: float  # what this shard was expected to take, in the unit of the weights
    weights: float  # and all of them together


def cut(plan: Plan, shard: Shard, durations: Mapping[str, float] | None = None) -> Cut:
    """The part of a plan that one shard plays, in the plan's order; none where there are more shards than cases.

    `durations` are milliseconds by case, without the numbers of repeats, and for as many repeats as are planned; cases that
    have none are taken to need as long a turn as the others do. Without any, a case is as long as its turns.
    """
    groups: dict[str, list[Case]] = {}
    for case in plan.cases:
        groups.setdefault(key_of(case), []).append(case)
    weights = weigh({key: sum(_turns(case) for case in cases) for key, cases in groups.items()}, durations or {})
    shards = assign(weights, shard.of)
    mine = [case for case in plan.cases if shards[key_of(case)] == shard.index - 1]
    part = replace(plan, cases=tuple(mine), turns=sum(case.turns for case in mine))
    cuts = content_id(*(f"{shards[key]} {key}" for key in sorted(groups)), length=16)
    weight = math.fsum(weights[key] for key in groups if shards[key] == shard.index - 1)
    return Cut(shard, part, plan, cuts, weight, math.fsum(weights.values()))


def _turns(case: Case) -> int:
    """What a case costs at least: its turns, and to open and close a conversation; nothing is asked of one that is skipped."""
    return 0 if case.script.skip is not None else case.turns + 1


def weigh(turns: Mapping[str, int], durations: Mapping[str, float]) -> dict[str, float]:
    """How long each case is expected to take: as recorded, else by its turns at the recorded cases' rate."""
    known = {key: durations[key] for key in turns if key in durations}
    counted = sum(turns[key] for key in known)
    rate = math.fsum(known.values()) / counted if counted and known else 1.0
    return {key: known.get(key, count * (rate or 1.0)) for key, count in turns.items()}


def assign(weights: Mapping[str, float], of: int) -> dict[str, int]:
    """The shard of each case, from 0.

    Depends on names, weights and the number of shards alone. No shard is empty where there are as many cases as shards, and
    none is fuller than the average by more than some per cent and one short case, but for one that a single long case fills.
    """
    own = {key: _hash(key) for key in weights}
    order = sorted(weights, key=lambda key: (-weights[key], own[key]))
    limit = _limit([weights[key] for key in order], of)
    loads, counts, out = [0.0] * of, [0] * of, {}
    left, empty = len(order), of
    for key in order:
        weight, shard = weights[key], own[key] % of
        if counts[shard] and (left <= empty or loads[shard] + weight > limit):
            room = -1.0 if left <= empty else limit - weight
            shard = _other(key, [one for one in range(of) if not counts[one] or loads[one] <= room], loads)
        empty -= not counts[shard]
        left -= 1
        loads[shard] += weight
        counts[shard] += 1
        out[key] = shard
    return out


def _other(key: str, free: Sequence[int], loads: Sequence[float]) -> int:
    """The shard of a case whose own one has no room: of those that have, by its name; of none, the one with the least."""
    if not free:
        return min(range(len(loads)), key=lambda shard: (loads[shard], shard))
    return min(free, key=lambda shard: _hash(f"{key}\0{shard}"))


def _hash(text: str) -> int:
    data = text.encode("utf-8", "surrogatepass")
    return int.from_bytes(hashlib.blake2b(data, digest_size=8).digest())


def _limit(weights: Sequence[float], of: int) -> float:
    """How full a shard may be; `weights` fall. Cases that fill a shard alone are no part of the average."""
    rest = math.fsum(weights)
    for taken, weight in enumerate(weights[: of - 1]):
        if weight <= rest / (of - taken):
            return _rounded_up(SLACK * rest / (of - taken))
        rest -= weight
    return _rounded_up(SLACK * rest)


def _rounded_up(load: float) -> float:
    """The next power of GRID."""
    return 0.0 if load <= 0 else float(GRID ** math.ceil(math.log(load) / math.log(GRID) - 1e-9))


def missing(of: int, there: Iterable[int]) -> list[int]:
    """The shards that are not there."""
    found = set(there)
    return [index for index in range(1, of + 1) if index not in found]
