"""In whose name something is approved."""

from __future__ import annotations

import os
import subprocess


def author_here() -> str | None:
    """Who works here, as far as that is said."""
    if named := os.environ.get("FOCAL_EVAL_AUTHOR", "").strip():
        return named
    try:
        asked = subprocess.run(  # a fixed command
            ["git", "config", "user.name"],  # noqa: S607  # the user's own git
            capture_output=True,
            text=True,
            timeout=5,
            check=False,
        )
    except (OSError, subprocess.SubprocessError, ValueError):
        return None
    return asked.stdout.strip() or None
