"""How often `response.means` is wrong, and the threshold it has by default: measured on `meaning/pairs.txt`.

    python benchmarks/meaning.py            prints the tables
    python benchmarks/meaning.py --write    writes them into docs/reference/semantic.md

The threshold is chosen on every other group of texts; error rates are those of the groups that had no part in choosing it.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from focal_eval.checks.semantic import LEXICAL_AT_LEAST, MODEL_AT_LEAST, contradicted
from focal_eval.checks.semantic_model import encoder_name, likeness
from focal_eval.checks.semantic_text import lexical
from focal_eval.compare.stats.estimates import wilson

HERE = Path(__file__).resolve().parent
PAIRS = HERE / "meaning" / "pairs.txt"
PAGE = HERE.parent / "docs" / "reference" / "semantic.md"
BEGIN, END = "<!-- measured by benchmarks/meaning.py -->\n", "<!-- end -->"
SAME, OTHER_TALK = "same meaning", "other conversation"
WORDS = {
    "negation": "denied",
    "number": "another number",
    "object": "another thing",
    "action": "another act",
    "time": "another time",
}
FALSE_ALARMS = 0.02  # of answers from other conversations that the threshold may let pass while it is chosen


@dataclass(frozen=True, slots=True)
class Pair:
    """Two texts, what they have to do with each other, and the group they were written in."""

    expected: str
    said: str
    kind: str
    language: str
    group: int


def read_pairs(text: str) -> list[Pair]:
    """The pairs as they were written, and one of each group with an answer of another: 17 groups on, in its language or not."""
    out: list[Pair] = []
    group, language, expected = -1, "", ""
    said: dict[int, str] = {}
    bases: list[tuple[str, str]] = []
    for line in text.splitlines():
        if not line.strip() or line.startswith("#"):
            continue
        if line.startswith("="):
            out.append(Pair(expected, line[1:].strip(), SAME, language, group))
            said[group] = line[1:].strip()
        elif line.startswith("!"):
            kind, _, other = line[1:].partition("|")
            out.append(Pair(expected, other.strip(), WORDS[kind.strip()], language, group))
        else:
            language, _, expected = (part.strip() for part in line.partition("|"))
            group += 1
            bases.append((language, expected))
    for number, (spoken, base) in enumerate(bases):
        for far in (5, 11, 17):
            out.append(Pair(base, said[(number + far) % len(bases)], OTHER_TALK, spoken, number))
    return out


Scores = Sequence[tuple[Pair, float]]


def by_model(pairs: Iterable[Pair]) -> list[tuple[Pair, float]]:
    return [(pair, likeness([pair.expected], [pair.said])[0][0]) for pair in pairs]


def by_words(pairs: Iterable[Pair]) -> list[tuple[Pair, float]]:
    return [(pair, round(lexical(pair.expected, pair.said), 4)) for pair in pairs]


def threshold(scores: Scores) -> float:
    """The lowest hundredth that lets at most FALSE_ALARMS of the answers from other conversations pass, on the even groups."""
    far = [score for pair, score in scores if pair.kind == OTHER_TALK and pair.group % 2 == 0]
    steps = (hundredth / 100 for hundredth in range(101))
    return next(step for step in steps if sum(score >= step for score in far) <= FALSE_ALARMS * len(far))


def passes(scores: Scores, at_least: float, *, guarded: bool) -> list[tuple[Pair, bool]]:
    """Which pairs of the odd groups are taken to mean the same."""
    return [
        (pair, score >= at_least and not (guarded and contradicted(pair.expected, pair.said)))
        for pair, score in scores
        if pair.group % 2
    ]


def rate(wrong: int, count: int) -> str:
    interval = wilson(wrong, count)
    return f"{wrong} of {count} ({wrong / count:.0%}, {interval.low:.0%} to {interval.high:.0%})"


def table(rows: Iterable[tuple[str, Callable[[Pair], bool]]], ways: Sequence[list[tuple[Pair, bool]]]) -> Iterator[str]:
    for name, chosen in rows:
        cells = []
        for way in ways:
            found = [ok if pair.kind != SAME else not ok for pair, ok in way if chosen(pair)]
            cells.append(rate(sum(found), len(found)))
        yield f"| {name} | " + " | ".join(cells) + " |"


def report() -> str:
    """The tables, in Markdown."""
    pairs = read_pairs(PAIRS.read_text(encoding="utf-8"))
    model, plain = by_model(pairs), by_words(pairs)
    best, best_plain = threshold(model), threshold(plain)
    ways = [
        passes(model, MODEL_AT_LEAST, guarded=True),
        passes(model, MODEL_AT_LEAST, guarded=False),
        passes(plain, LEXICAL_AT_LEAST, guarded=True),
    ]
    kinds = [*WORDS.values(), OTHER_TALK]

    def of_kind(kind: str) -> Callable[[Pair], bool]:
        return lambda pair: pair.kind == kind

    def spoken(language: str) -> Callable[[Pair], bool]:
        return lambda pair: pair.kind == SAME and pair.language == language

    head = "| | model, guarded | model alone | lexical, guarded |"
    written = sum(pair.kind != OTHER_TALK for pair in pairs)
    lines = [
        f"Model: `{encoder_name()}`. {written} pairs written by hand and {len(pairs) - written} of answers from other"
        f" conversations, in {1 + max(pair.group for pair in pairs)} groups.",
        f"Chosen on the even groups: at least {best:.2f} for the model, {best_plain:.2f} for lexical likeness.",
        "Below are the odd groups, with 95 % Wilson intervals.",
        "",
        head.replace("| | ", "| refused, though it means the same | ", 1),
        "|---|---|---|---|",
        *table([("all", of_kind(SAME)), *((name, spoken(name)) for name in ("en", "de", "es"))], ways),
        "",
        head.replace("| | ", "| passed, though it says something else | ", 1),
        "|---|---|---|---|",
        *table([(kind, of_kind(kind)) for kind in kinds], ways),
        "",
    ]
    return "\n".join(lines)


def with_tables(text: str) -> str:
    """The page with the tables as they are measured now."""
    before, _, rest = text.partition(BEGIN)
    return before + BEGIN + report() + END + rest.partition(END)[2]


def main(arguments: list[str]) -> None:
    if arguments == ["--write"]:
        PAGE.write_text(with_tables(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
    else:
        print(report())


if __name__ == "__main__":
    main(sys.argv[1:])
