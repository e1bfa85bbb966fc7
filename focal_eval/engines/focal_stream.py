"""One streamed turn of Focal, put together from its events: words, calls of tools to answer, and how it ended."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from focal_eval.engines.focal_fields import Fields
from focal_eval.engines.focal_records import ChatReply, done_reply
from focal_eval.engines.focal_served import ToolAsked, tool_asked
from focal_eval.errors import EngineProtocol
from focal_eval.records import UNKNOWN, Json
from focal_eval.text import shorten
from focal_eval.value import value


@value
class StreamError:
    """An error told in a stream that had begun, with status 200."""

    code: str
    message: str


@dataclass(slots=True)
class StreamedTurn:
    """What was heard so far; events go in by `take`, the reply comes out of `reply` when the stream has ended."""

    words: list[str] = field(default_factory=list)
    done: ChatReply | None = None
    first_ms: float | None = None  # until the first word, set by whoever listens

    def take(self, name: str, data: Json) -> ToolAsked | StreamError | None:
        """Takes the next event; a call to be answered and an error come back. Raises EngineProtocol out of order."""
        if self.done is not None:
            raise EngineProtocol(f"the event '{shorten(name, 40)}' came after 'done'")
        fields = Fields(data, f"the event '{shorten(name, 40)}'")
        if name == "token":
            self.words.append(fields.text("content"))
        elif name == "done":
            self.done = done_reply(data)
        elif name == "tool":
            return tool_asked(data)
        elif name == "error":
            return StreamError(fields.text("code"), fields.text("message"))
        return None  # events of other names may be added; comments are none

    @property
    def text(self) -> str:
        """The words as they came: white space of the reply is folded in them."""
        return "".join(self.words)

    def reply(self) -> ChatReply:
        """The whole turn, `response` still folded. Raises EngineProtocol where the stream broke off before `done`."""
        if self.done is None:
            said = f"after {shorten(self.text, 60)!r}" if self.words else "before any word"
            raise EngineProtocol(f"the stream ended without 'done', {said}")
        return replace(self.done, response=self.text, first_ms=self.first_ms)


def exact_text(streamed: ChatReply, whole: str | None, where: str) -> ChatReply:
    """The turn with the text that `where` holds of it: the stream's own has its white space folded.

    `whole` is None where nothing holds it; then the stream's text stands, if there is any. The text is split into words
    only after it was stored, so words that differ were lost, doubled or mixed on the way: EngineProtocol.
    """
    text = streamed.response
    assert text is not UNKNOWN
    if whole is None:
        if not text.strip():
            raise EngineProtocol("the stream held no word, and the turn is not stored")
        return streamed
    if text.split() != whole.split():
        heard, kept = shorten(text, 200), shorten(whole, 200)
        raise EngineProtocol(f"the words of the stream are not those {where}", detail=f"streamed: {heard}\n{where}: {kept}")
    return replace(streamed, response=whole)
