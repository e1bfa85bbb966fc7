"""Where a text is nearly there, and how two texts differ: the words a person needs when a text check fails."""

from __future__ import annotations

from focal_eval.text import fold, shorten

QUOTED = 160  # characters of a response in a message
MAX_COMPARED = 20_000  # characters; of longer texts the beginning is compared
WORTH_SHOWING = 60.0  # per cent alike; below, the closest passage explains nothing


def quoted(text: str, width: int = QUOTED) -> str:
    """A text for a message: one line, in quotes, cut."""
    return f"'{shorten(text, width)}'" if text.strip() else "an empty response"


def around(text: str, start: int, end: int, margin: int = 40) -> str:
    """The passage of a text from `start` to `end` with some of what stands around it."""
    left, right = max(0, start - margin), min(len(text), end + margin)
    return ("…" if left else "") + " ".join(text[left:right].split()) + ("…" if right < len(text) else "")


def closest(needle: str, text: str) -> str | None:
    """The passage most like the needle, with how much it is and the words that differ; None where nothing is near."""
    from rapidfuzz import fuzz

    wanted, where = fold(needle), fold(text[:MAX_COMPARED])
    if not wanted or not where:
        return None
    if len(where) < len(wanted):
        alike = fuzz.ratio(wanted, where)
        passage = where
    else:
        found = fuzz.partial_ratio_alignment(wanted, where, score_cutoff=WORTH_SHOWING)
        if found is None:
            return None
        alike = found.score
        passage = _whole_words(where, found.dest_start, found.dest_end)
    if alike < WORTH_SHOWING:
        return None
    return f"closest passage, {alike:.0f} % alike: {word_diff(wanted, passage)}"


def _whole_words(text: str, start: int, end: int) -> str:
    while start > 0 and not text[start - 1].isspace():
        start -= 1
    while end < len(text) and not text[end].isspace():
        end += 1
    return text[start:end].strip()


def word_diff(expected: str, observed: str, width: int = 240) -> str:
    """Both texts in one line: `the [-refund-] {+replacement+} is on its way`; long equal stretches are cut."""
    from rapidfuzz.distance import Indel

    before, after = expected[:MAX_COMPARED].split(), observed[:MAX_COMPARED].split()
    out: list[str] = []
    gone: list[str] = []
    come: list[str] = []
    for step in Indel.opcodes(before, after):
        if step.tag != "equal":
            gone += before[step.src_start : step.src_end]
            come += after[step.dest_start : step.dest_end]
            continue
        out += _changed(gone, come)
        gone, come = [], []
        same = before[step.src_start : step.src_end]
        out.append(" ".join(same) if len(same) <= 8 else " ".join([*same[:3], "…", *same[-3:]]))
    out += _changed(gone, come)
    text = " ".join(out)
    return text if len(text) <= width else text[: width - 1] + "…"


def _changed(gone: list[str], come: list[str]) -> list[str]:
    """What stands where words were, both marked."""
    return ([f"[-{' '.join(gone)}-]"] if gone else []) + ([f"{{+{' '.join(come)}+}}"] if come else [])


def alike(first: str, second: str) -> float:
    """How alike two texts are after folding, 0 to 1: one minus insertions and deletions over both lengths."""
    from rapidfuzz import fuzz

    return float(fuzz.ratio(fold(first), fold(second))) / 100
