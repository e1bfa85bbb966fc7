"""Everything this package raises on purpose.

FocalEvalError
├── Refused            the user's files or words are wrong; nothing was run          (exit 2)
│   └── UsageError     the command line or the call itself                           (exit 2)
├── EngineError        the engine broke or could not be asked; never a failed check  (exit 3)
│   ├── EngineUnreachable
│   │   └── EngineGivenUp        so often in a row that nothing more is asked; it ends the run
│   ├── EngineTimeout
│   ├── EngineStatus   the engine refused the request, in words of its own
│   │   └── EngineUnauthorised   it does not let the suite's token in
│   └── EngineProtocol the engine answered something its contract does not allow
│       └── CassetteMiss   the recording holds no answer to what was said
├── StorageError       a journal, report or baseline could not be written or read    (exit 3)
└── WorkersLost        those who play a run cannot be reached, or are gone           (exit 3)

`Diagnostic` is the value behind every message that points into a file.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from enum import IntEnum
from typing import Literal

from focal_eval.source import Span
from focal_eval.value import value


class ExitCode(IntEnum):
    """One meaning each; CI jobs depend on them."""

    OK = 0  # every gate passed
    FAILED = 1  # a gate failed: an expectation, a regression, a threshold
    REFUSED = 2  # refused before running: usage, a bad script, nothing collected
    NO_VERDICT = 3  # the engine broke or could not be reached
    FLAKY = 4  # gates passed, but flaky cases were seen and --strict-flaky was given
    INTERRUPTED = 130  # stopped by the user; what was recorded is kept


class Advice(str):
    """The advice at the end of an error line, where following it means to write `right` for `wrong`."""

    __slots__ = ("right", "wrong")
    right: str
    wrong: str

    def __new__(cls, text: str, wrong: str, right: str) -> Advice:
        made = super().__new__(cls, text)
        made.wrong, made.right = wrong, right
        return made

    def __reduce__(self) -> tuple[type[Advice], tuple[str, str, str]]:
        return Advice, (str(self), self.wrong, self.right)


@value
class Label:
    """A second place that explains a problem, such as "first defined here"."""

    span: Span
    text: str


@value
class Diagnostic:
    """One problem in a file: place, stable kebab-case code, problem, nearest fix."""

    code: str
    message: str
    span: Span
    severity: Literal["error", "warning"] = "error"
    help: str | None = None
    labels: tuple[Label, ...] = ()

    @property
    def swap(self) -> tuple[str, str] | None:
        """A word within the span and what was most likely meant; None where no word is at fault."""
        return (self.help.wrong, self.help.right) if isinstance(self.help, Advice) else None

    def __str__(self) -> str:
        """Line one of the message; it stands alone."""
        fix = f"; {self.help}" if self.help else ""
        return f"{self.span}: {self.severity}[{self.code}]: {self.message}{fix}"


class Problems:
    """Collects diagnostics, so that one pass reports them all."""

    __slots__ = ("items",)

    def __init__(self) -> None:
        self.items: list[Diagnostic] = []

    def error(self, code: str, message: str, span: Span, *, help: str | None = None, labels: Iterable[Label] = ()) -> None:
        self.items.append(Diagnostic(code, message, span, "error", help, tuple(labels)))

    def warning(self, code: str, message: str, span: Span, *, help: str | None = None, labels: Iterable[Label] = ()) -> None:
        self.items.append(Diagnostic(code, message, span, "warning", help, tuple(labels)))

    def extend(self, other: Iterable[Diagnostic]) -> None:
        self.items.extend(other)

    @property
    def errors(self) -> list[Diagnostic]:
        return [item for item in self.items if item.severity == "error"]

    def __iter__(self) -> Iterator[Diagnostic]:
        return iter(self.items)

    def __len__(self) -> int:
        return len(self.items)


class FocalEvalError(Exception):
    """The root of the tree; `exit_code` is what the command line returns for it."""

    exit_code = ExitCode.NO_VERDICT


class Refused(FocalEvalError):
    """The files are wrong; `diagnostics` holds every problem of every file."""

    exit_code = ExitCode.REFUSED

    def __init__(self, message: str, diagnostics: Iterable[Diagnostic] = ()) -> None:
        super().__init__(message)
        self.diagnostics = tuple(diagnostics)


class UsageError(Refused):
    """The command line or the call is wrong."""


class EngineError(FocalEvalError):
    """The engine broke; `kind` is a stable word for reports, `detail` is for people."""

    kind = "engine-error"

    def __init__(self, message: str, *, detail: str | None = None) -> None:
        super().__init__(message)
        self.detail = detail


class EngineUnreachable(EngineError):
    """No answer could be had at all."""

    kind = "engine-unreachable"


class EngineGivenUp(EngineUnreachable):
    """No answer so often that the engine is not asked any more: the run ends, and cases not begun are not run."""


class EngineTimeout(EngineError):
    """The answer did not come within the turn's or the case's time limit."""

    kind = "engine-timeout"


class EngineStatus(EngineError):
    """The engine answered with an error: its HTTP status, and the code of the error where it names one.

    An error told inside a stream that had begun has the status 200.
    """

    kind = "engine-status"

    def __init__(self, message: str, *, status: int, code: str | None = None, detail: str | None = None) -> None:
        super().__init__(message, detail=detail)
        self.status, self.code = status, code


class EngineUnauthorised(EngineStatus):
    """The engine does not let the suite in: no token, a wrong one, or one without the right (401, 403)."""

    kind = "engine-unauthorised"


class EngineProtocol(EngineError):
    """The answer is not what the engine's contract allows."""

    kind = "engine-protocol"


class CassetteMiss(EngineProtocol):
    """The recording that is replayed has no answer here; `detail` names the nearest recorded message."""

    kind = "cassette-miss"


class StorageError(FocalEvalError):
    """Something could not be written or read back: disk full, read-only folder, damaged file."""


class WorkersLost(FocalEvalError):
    """Those who were to play a run cannot be reached, or are gone; what they played is kept, and the rest can be resumed."""


def told(problem: BaseException) -> str:
    """An exception of somebody else's in words: its type, and what it says."""
    try:
        said = str(problem).strip()
    except Exception:  # its own `__str__` is broken
        said = ""
    kind = type(problem).__name__
    return f"{kind}: {said}" if said else kind
