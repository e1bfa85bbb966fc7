"""httpx, without its command line: click, rich and pygments would be half of the time that it takes to start."""

from __future__ import annotations

import sys

__all__ = ["httpx"]

_COMMAND_LINE = "httpx._main"

if "httpx" in sys.modules:
    import httpx
else:
    sys.modules[_COMMAND_LINE] = None  # type: ignore[assignment]  # Python's way to say that there is none; httpx allows for it
    try:
        import httpx
    finally:
        del sys.modules[_COMMAND_LINE]
