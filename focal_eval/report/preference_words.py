"""What a judge preferred, in the words that the terminal and the comparison's page share."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from focal_eval.report.characters import one_line
from focal_eval.text import counted

PLANTED = {
    "empty": "an empty reply",
    "injection": "a reply that tells the judge to prefer it",
    "other": "another conversation's reply",
}


def swap_words(preference: Mapping[str, Any]) -> str | None:
    """`both orders agreed on 3 of 4 pairs (75%, 95 % interval 30% to 95%)`; None where no pair was decided in both."""
    swap = preference["swap"]
    if not swap["of"]:
        return None
    share = f"{swap['agreed'] / swap['of']:.0%}, 95 % interval {swap['low']:.0%} to {swap['high']:.0%}"
    return f"both orders agreed on {swap['agreed']:,} of {counted(swap['of'], 'pair')} ({share})"


def share_words(preference: Mapping[str, Any]) -> str | None:
    """How many of those it decided on got better, with the interval and the test; None where it decided on none."""
    if preference["share_after"] is None:
        return None
    return (
        f"better where it decided: {preference['share_after']:.0%} (95 % interval {preference['low']:.0%} to "
        f"{preference['high']:.0%}), sign test p = {preference['p']:.2g}"
    )


def audit_words(preference: Mapping[str, Any]) -> str | None:
    """`audit: the judge knew the better one of 6 of 6 planted pairs (100%, 95 % interval 61% to 100%)`."""
    audit = preference.get("audit")
    if not audit or not audit["planted"]:
        return None
    share = f"{audit['agreed'] / audit['planted']:.0%}, 95 % interval {audit['low']:.0%} to {audit['high']:.0%}"
    rest = f"; {audit['errored']} could not be asked about" if audit["errored"] else ""
    known = f"{audit['agreed']} of {counted(audit['planted'], 'planted pair')}"
    return f"audit: the judge knew the better one of {known} ({share}){rest}"


def warning_of(preference: Mapping[str, Any]) -> str | None:
    """Why the preferences are to be taken with care, None where nothing speaks against them."""
    found = (preference.get("audit") or {}).get("warning")
    return None if found is None else one_line(str(found), 300)


def missed_words(preference: Mapping[str, Any]) -> Iterator[str]:
    """The planted pairs that the judge did not know, each in a line."""
    for one in (preference.get("audit") or {}).get("missed") or ():
        what = PLANTED.get(str(one.get("kind")), str(one.get("kind")))
        yield one_line(f"against {what}: {one.get('said')} ({one.get('case')}, turn {int(one.get('turn') or 0) + 1})", 300)


def spent_words(preference: Mapping[str, Any]) -> str | None:
    """What it took, with the audit; None where all was kept from before."""
    words = [f"{preference['tokens']:,} tokens"] if preference.get("tokens") is not None else []
    cost = preference.get("cost")
    words += [f"cost {cost:.6f}".rstrip("0").rstrip(".")] if cost is not None else []
    return f"{', '.join(words)} with the audit" if words else None
