"""The interpreter's own process: run as a program, it reads a brain and plays one turn for each line of JSON on stdin.

Nothing of this package is imported here, and nothing is kept between turns: a turn is told the conversation's state and
gives it back, so that any process can play it and a process may be killed at any time.

What a brain can do is bounded from outside: an alarm ends a turn that backtracks or loops for ever, whatever holds the
interpreter lock, and the memory limit ends one that grows. Macros are Python of the brain; only those that the opening line
trusts are ever compiled.
"""

from __future__ import annotations

import contextlib
import json
import os
import random
import re
import signal
import warnings
from typing import Any, NamedTuple

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # its patterns are not raw strings, of which Python warns whoever compiles them first
    from rivescript import RiveScript
    from rivescript.exceptions import RS_ERR_DEEP_RECURSION, RS_ERR_MATCH, RS_ERR_OBJECT_HANDLER, RS_ERR_REPLY
    from rivescript.parser import Parser
    from rivescript.python import PythonObjectError
    from rivescript.sessions import MemorySessionStorage
    from rivescript.utils import is_atomic

USER = "user"  # a conversation's; every one has an interpreter to itself for the time of a turn
BEGIN = "__begin__"
MOST_TEXT = 1_000_000  # characters of a reply
MOST_STATE = 4_000_000


class Place(NamedTuple):
    """Where a trigger or macro stands."""

    file: str
    line: int


class Placing(Parser):  # type: ignore[misc]  # the library has no types
    """The library's parser, which remembers where each trigger and each macro stands.

    The library itself keeps one line a trigger's text and topic, and those of the last file alone.
    """

    def __init__(self, *, utf8: bool) -> None:
        super().__init__(strict=True, utf8=utf8)
        self.here = Place("", 0)
        self.warnings: list[dict[str, Any]] = []
        self.triggers: list[Trigger] = []
        self.macros: list[dict[str, Any]] = []
        self._topic = "random"
        self._lines: dict[str, list[int]] = {}
        self._opened: list[int] = []

    def parse(self, filename: str, code: list[str]) -> dict[str, Any]:
        self.here, self._topic, self._lines, self._opened = Place(filename, 0), "random", {}, []
        tree: dict[str, Any] = super().parse(filename, code)
        for topic, data in tree["topics"].items():
            lines = self._lines.get(topic, [])
            data["triggers"] = [
                Trigger(made, topic, Place(filename, line)) for made, line in zip(data["triggers"], lines, strict=True)
            ]
            self.triggers += data["triggers"]
        for macro, line in zip(tree["objects"], self._opened, strict=False):  # the last one may lack its end
            self.macros.append({**macro, "file": filename, "line": line})
        return tree

    def say(self, message: str) -> None:
        if message.startswith("Line: "):  # said of every line, before anything is made of it
            self.here = Place(self.here.file, self.here.line + 1)

    def warn(self, message: str, filename: str = "", lineno: int = 0) -> None:
        self.warnings.append({"message": message, **self.here._asdict()})

    def check_syntax(self, cmd: str, line: str) -> str | None:
        words = line.split()
        if cmd == ">" and words[:1] == ["begin"]:
            self._topic = BEGIN
        elif cmd == ">" and words[:1] == ["topic"]:
            self._topic = words[1] if len(words) > 1 else ""
        elif cmd == ">" and words[:1] == ["object"]:
            self._opened.append(self.here.line)
        elif cmd == "<" and line in ("begin", "topic"):
            self._topic = "random"
        elif cmd == "+":
            self._lines.setdefault(self._topic, []).append(self.here.line)
        try:
            found: str | None = super().check_syntax(cmd, line)
        except TypeError:  # the library's message for this case is broken
            return "Unmatched brackets"
        return found


class Notes:
    """What happened in the turn that is being played."""

    def __init__(self) -> None:
        self.matched: list[Trigger] = []
        self.topics: list[str] = []
        self.calls: list[dict[str, Any]] = []
        self.warnings: list[str] = []
        self.awaiting = False  # a match was announced, and its trigger not yet seen


class Trigger(dict[str, Any]):
    """A trigger that notes its match: of the one that matched, and of no other, the interpreter reads `redirect`."""

    notes = Notes()

    def __init__(self, made: dict[str, Any], topic: str, place: Place) -> None:
        super().__init__(made)
        self.topic, self.place = topic, place

    def __getitem__(self, key: str) -> Any:
        if key == "redirect" and Trigger.notes.awaiting:
            Trigger.notes.awaiting = False
            Trigger.notes.matched.append(self)
        return super().__getitem__(key)

    def told(self) -> dict[str, Any]:
        """As the other side reads it."""
        own = {"topic": self.topic, "trigger": self["trigger"], "previous": self["previous"]}
        return {**own, **self.place._asdict()}


class Storage(MemorySessionStorage):  # type: ignore[misc]  # the library has no types
    """The user's variables; what the interpreter writes into them tells what it does."""

    def set(self, username: str, vars: dict[str, Any]) -> None:
        if "__lastmatch__" in vars:
            Trigger.notes.awaiting = vars["__lastmatch__"] is not None
        if "topic" in vars and vars["topic"] != self._users.get(username, {}).get("topic", "random"):
            Trigger.notes.topics.append(vars["topic"])
        super().set(username, vars)


class Everything(dict[str, Any]):
    """Has every key: of languages, and of the names of macros."""

    def __init__(self, value: Any) -> None:
        super().__init__()
        self.value = value

    def __contains__(self, key: object) -> bool:
        return True

    def __missing__(self, key: str) -> Any:
        return self.value


class Interpreter(RiveScript):  # type: ignore[misc]  # the library has no types
    """The library's interpreter with a parser, a storage and macros of ours."""

    def __init__(self, opening: dict[str, Any]) -> None:
        super().__init__(utf8=opening["utf8"], session_manager=Storage())
        self.parser = self._parser = Placing(utf8=opening["utf8"])
        self.macros = Macros(set(opening["trust"]))
        self._handlers = Everything(self.macros)
        self._objlangs = Everything("python")
        self.problems: list[dict[str, Any]] = []
        self._read(opening["files"])
        self._settle()
        self.first = {"bot": dict(self._var), "env": dict(self._global)}

    def _warn(self, message: str, fname: str = "", lineno: int = 0) -> None:
        Trigger.notes.warnings.append(str(message))

    def _read(self, files: list[tuple[str, str]]) -> None:
        for name, text in files:
            try:
                self._parse(name, text.splitlines(keepends=True))
            except Exception as problem:
                said = re.sub(rf"^Syntax error in {re.escape(name)} line \d+: ", "", str(problem))
                broken = said if type(problem) is Exception else f"the interpreter cannot read this: {told(problem)}"
                self._broken(broken, self.parser.here)
        for macro in self.parser.macros:
            self.macros.take(macro, self._broken)

    def _broken(self, message: str, place: Place) -> None:
        self.problems.append({"message": message, **place._asdict()})

    def _settle(self) -> None:
        """Sorts the triggers and tries each as a pattern, so that a wrong one is told now and with its place."""
        if self.problems:
            return
        try:
            self.sort_replies()
        except RecursionError:
            self._broken("topics include or inherit one another in a circle", Place(self.parser.here.file, 1))
            return
        self.begin({})
        for trigger in self.parser.triggers:
            for text in (trigger["trigger"], trigger["previous"]):
                if text is None or is_atomic(text):
                    continue
                try:
                    self._brain.reply_regexp(USER, text)
                except re.error as problem:
                    self._broken(f"'{text}' gives no pattern: {problem}", trigger.place)

    def catalogue(self) -> dict[str, Any]:
        """What is in the brain, and what is wrong with it."""
        return {
            "triggers": [trigger.told() for trigger in self.parser.triggers],
            "topics": sorted(self._topics),
            "macros": [{name: macro[name] for name in ("name", "language", "file", "line")} for macro in self.parser.macros],
            "problems": self.problems,
            "warnings": self.parser.warnings,
        }

    def begin(self, state: dict[str, Any]) -> None:
        """Takes up a conversation where its last turn left it."""
        user = {"topic": "random", "__history__": self._brain.default_history(), **state.get("user", {})}
        self._session._users = {USER: user}

    def take_up(self, state: dict[str, Any]) -> None:
        """The conversation's state, the variables of bot and environment that it changed among it."""
        self._var.clear()
        self._var.update(state.get("bot", self.first["bot"]))
        self._global.clear()
        self._global.update(state.get("env", self.first["env"]))
        self.begin(state)
        for said, answered in state.get("history", ()):
            history = self._session._users[USER]["__history__"]
            history["input"] = [self._brain.format_message(said or ""), *history["input"][:8]]
            history["reply"] = [answered or "", *history["reply"][:8]]

    def state(self) -> dict[str, Any]:
        """What the next turn of the conversation is told."""
        out = {"user": self._session._users[USER]}
        for name, now in (("bot", self._var), ("env", self._global)):
            if now != self.first[name]:
                out[name] = dict(now)
        return out


class Macros:
    """Stands where the library's handler of Python is: asks the other side first, and runs what is trusted."""

    def __init__(self, trusted: set[str]) -> None:
        self.trusted = trusted
        self.known: dict[str, dict[str, Any]] = {}
        self.functions: dict[str, Any] = {}

    def load(self, name: str, code: list[str]) -> None:
        """Nothing: macros are taken with their places, once all files are read."""

    def take(self, macro: dict[str, Any], broken: Any) -> None:
        """Compiles a macro that is trusted."""
        name, place = macro["name"], Place(macro["file"], macro["line"])
        before = self.known.get(name)
        self.known[name] = macro
        if not (name in self.trusted or macro["file"] in self.trusted):
            return
        if before is not None:
            broken(f"the macro '{name}' is trusted, but stands in {before['file']}:{before['line']} too", place)
        elif macro["language"] != "python":
            broken(f"the macro '{name}' is trusted, but is written in {macro['language']}; only Python is run", place)
        else:
            source = "def macro(rs, args):\n" + "".join(f"\t{line}\n" for line in macro["code"])
            try:
                self.functions[name] = compile(source, f"{macro['file']}, object {name}", "exec")
            except (SyntaxError, ValueError) as problem:
                broken(f"the macro '{name}' is not Python: {told(problem)}", place)

    def call(self, rs: Interpreter, name: str, user: str, fields: list[str]) -> str:
        """What stands in the reply for the call."""
        ask({"call": {"name": name, "args": fields}})
        answer = heard()
        call = {"name": name, "args": fields}
        Trigger.notes.calls.append(call)
        if "error" not in answer and "result" not in answer:
            answer = self._run(rs, name, fields)
        call.update(answer)
        if answer.get("refused"):
            return str(RS_ERR_OBJECT_HANDLER)
        if "error" in answer:
            raise PythonObjectError(answer["error"])
        return spoken(answer["result"])

    def _run(self, rs: Interpreter, name: str, fields: list[str]) -> dict[str, Any]:
        made = self.functions.get(name)
        if made is None:
            macro = self.known.get(name)
            if macro is None:
                return {"error": "the brain has no object of this name", "refused": True}
            return {"error": "not run: the suite does not trust it", "refused": True}
        try:
            if not callable(made):
                space: dict[str, Any] = {"__name__": f"rivescript_{name}"}
                exec(made, space)  # noqa: S102  # the suite trusts this macro by name
                made = self.functions[name] = space["macro"]
            result = made(rs, fields)
        except (Exception, SystemExit) as problem:
            return {"error": told(problem)}
        return {"result": plain(result)}


def plain(result: Any) -> Any:
    """A macro's result as data; what is none, as the text that the reply shows."""
    try:
        return json.loads(json.dumps(result, allow_nan=False))
    except (TypeError, ValueError, RecursionError):
        return str(result)


def spoken(result: Any) -> str:
    """A result as it stands in a reply."""
    if result is None:
        return ""
    return result if isinstance(result, str) else json.dumps(result, ensure_ascii=False)


def told(problem: BaseException) -> str:
    """An exception in words."""
    said = str(problem)
    return f"{type(problem).__name__}: {said}" if said else type(problem).__name__


def play(rs: Interpreter, asked: dict[str, Any]) -> dict[str, Any]:
    """One turn."""
    notes = Trigger.notes = Notes()
    rs.take_up(asked["state"])
    if asked.get("topic") is not None:
        rs._session._users[USER]["topic"] = asked["topic"]
    random.seed(asked["seed"])
    text = rs.reply(USER, asked["message"])
    if len(text) > MOST_TEXT:
        return {"broken": f"the reply has {len(text):,} characters"}
    chain = [trigger.told() for trigger in notes.matched if trigger.topic != BEGIN]
    if RS_ERR_DEEP_RECURSION in text:
        return {"broken": "the brain redirects in a circle", "matched": chain}
    answer = {
        "response": text,
        "fallback": not chain or RS_ERR_MATCH in text or RS_ERR_REPLY in text,
        "matched": chain,
        "topics": notes.topics,
        "calls": notes.calls,
        "warnings": notes.warnings,
        "state": rs.state(),
    }
    try:
        size = len(json.dumps(answer["state"], allow_nan=False))
    except (TypeError, ValueError, RecursionError):
        return {"broken": "a macro left something in the user's variables that is no plain data"}
    return answer if size <= MOST_STATE else {"broken": f"the variables have {size:,} characters"}


def ask(value: dict[str, Any]) -> None:
    """One line to the other side."""
    OUT.write(json.dumps(value, allow_nan=False).encode() + b"\n")
    OUT.flush()


def heard() -> dict[str, Any]:
    """The other side's next line; the process ends where there is none."""
    line = IN.readline()
    if not line:
        os._exit(0)
    said: dict[str, Any] = json.loads(line)
    return said


def guarded(doing: Any, *args: Any) -> dict[str, Any]:
    """What a function gives; what it raises is the brain's fault and told as such."""
    try:
        made: dict[str, Any] = doing(*args)
    except MemoryError:
        return {"broken": "the brain needs more memory than it is allowed"}
    except RecursionError:
        return {"broken": "the brain is nested too deep for the interpreter"}
    except Exception as problem:
        return {"broken": f"the interpreter raised {told(problem)}"}
    return made


def alarm(seconds: float) -> None:
    """Ends this process after so many seconds, 0 calls it off; the system's own timer asks no interpreter."""
    if hasattr(signal, "setitimer"):
        signal.signal(signal.SIGALRM, signal.SIG_DFL)
        signal.setitimer(signal.ITIMER_REAL, seconds)


def limited(megabytes: int) -> None:
    """Bounds this process's memory, where the system can."""
    with contextlib.suppress(ImportError, ValueError, OSError):
        import resource

        resource.setrlimit(resource.RLIMIT_AS, (megabytes * 2**20, megabytes * 2**20))


def main() -> None:
    """Reads the brain of the first line, tells what is in it, and plays a turn for every line that follows."""
    opening = heard()
    limited(opening["memory_mb"])
    made: list[Interpreter] = []

    def opened() -> dict[str, Any]:
        made.append(Interpreter(opening))
        return made[0].catalogue()

    alarm(opening["reading_s"])
    ask(guarded(opened))
    alarm(0)
    while made:
        asked = heard()
        alarm(opening["limit_s"])
        ask(guarded(play, made[0], asked))
        alarm(0)


if __name__ == "__main__":
    IN, OUT = os.fdopen(os.dup(0), "rb"), os.fdopen(os.dup(1), "wb")
    nowhere = os.open(os.devnull, os.O_RDWR)
    os.dup2(nowhere, 0)  # what the library or a macro prints or asks for is none of the other side's lines
    os.dup2(nowhere, 1)
    main()
