"""What a case is called beside its repeats."""

from __future__ import annotations


def case_key(name: str, script: str, repeat: int) -> str:
    """What the repeats of one case have in common: `returns/mug[item=cup]` of `returns/mug[item=cup]#2`."""
    end = f"#{repeat}"
    return name.removesuffix(end) if name != script else name
