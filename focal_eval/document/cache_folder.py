"""Where what took long to read is kept for later runs."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

VARIABLE = "FOCAL_EVAL_CACHE"


def cache_folder(environment: Mapping[str, str]) -> Path | None:
    """Where caches lie: `FOCAL_EVAL_CACHE` (`off` for nowhere), else below the user's cache folder."""
    named = environment.get(VARIABLE, "")
    if named:
        return None if named == "off" else Path(named)
    home = environment.get("XDG_CACHE_HOME", "")
    if os.path.isabs(home):  # noqa: PTH117  # a relative one is to be ignored, as the XDG specification says
        return Path(home) / "focal-eval"
    try:
        return Path.home() / ".cache" / "focal-eval"
    except RuntimeError:  # a user without a home
        return None
