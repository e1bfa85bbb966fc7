"""Kills runs with SIGKILL at random moments, goes on with them, and holds what is on disk against a run nobody killed.

`python -m tests.runner.killed --kills 210 --seed 1` prints the figures as one JSON document, and ends with 1 where anything
was lost, doubled or changed. Runs are processes split off this one, so that starting Python is no part of the time.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import random
import shutil
import signal
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import orjson

from focal_eval.cli import main
from focal_eval.report.journal import list_run, read_run
from focal_eval.report.model import ReportModel
from focal_eval.runner.index import attempt_row, case_row

VOLATILE = frozenset(
    {"created_at", "updated_at", "elapsed_ms", "first_token_ms", "latency_ms", "duration_ms", "id", "session_id", "turn_id"}
)
"""Members that differ from run to run: times, and ids an engine gives."""

AGENT = """\
agent: shop
greeting: hello
rules:
  - {id: damaged, match: {any_words: [broken]}, then: offer a refund, priority: 1, tools: lookup}
  - {id: thanks, match: {any_words: [thanks]}, template: welcome}
slots: {order: {pattern: '[A-Z]-\\d+', listen: always, ask: ask}}
scenarios:
  refund:
    enter: {rules: damaged}
    steps:
      - {id: which, collect: order, go: [{to: sure}]}
      - {id: sure, template: sure, go: [{to: done, when: {any_words: ["yes"]}}]}
      - {id: done, terminal: true, template: done, tools: pay}
tools:
  lookup: {returns: {total: 20}}
  pay: {args: {id: order}, returns: {paid: true}}
templates:
  hello: hi there
  ask: which order?
  sure: {text: "{{ order }} for a customer ☕?", mode: EXCLUSIVE}
  done: paid
  welcome: you are welcome, für immer
  FALLBACK: {text: "I did not get that.", mode: FALLBACK}
"""
REFUND = """\
title: A refund
params: {{order: [{orders}]}}
turns:
  - {{user: it is broken, expect: {{rules: [damaged]}}}}
  - {{user: "{{{{ order }}}}", expect: {{response: {{contains: "{{{{ order }}}}"}}}}}}
  - {{user: "yes", expect: {{tools: [pay]}}}}
  - {{user: thanks, expect: {{rules: [thanks]}}}}
"""
WRONG = """\
title: What does not hold
params: {n: [1, 2, 3, 4]}
turns:
  - {user: "thanks {{ n }}", expect: {rules: [damaged]}}
  - {user: bye}
"""
LATE = """\
title: After a long talk
params: {n: [1, 2, 3, 4, 5, 6]}
given:
  history:
%s
turns:
  - {user: "thanks {{ n }}", expect: {rules: [thanks]}}
"""
SLOW = """\
import asyncio


async def answer(message, talk):
    await asyncio.sleep(0.002)
    rule = "thanks" if "thanks" in message else "damaged"
    return {"response": f"you said {message} for {len(talk.turns)}", "rules": [rule], "tools": [{"name": "pay"}]}
"""
ENGINES = """\
scripts: [scripts]
concurrency: 4
engine: {kind: embedded, agent: agent.yaml}
engines:
  served: {kind: focal, url: "${SHOP_URL}", served: true, agent_file: agent.yaml}
  slow: {kind: callable, target: "slow.py:answer", reports: [response, rules, tools], seeds: [history], deterministic: true}
"""


def build(folder: Path, cases: int) -> None:
    """The suite: an agent, scripts whose conversations take one to four turns, and three engines that answer alike."""
    (folder / "scripts").mkdir(parents=True)
    (folder / "agent.yaml").write_text(AGENT)
    (folder / "slow.py").write_text(SLOW)
    orders = ", ".join(f"A-{number}" for number in range(cases))
    said = "\n".join(f"    - {{user: thanks {number}, agent: {'we talked about this ' * 9}}}" for number in range(9))
    (folder / "scripts" / "refund.yaml").write_text(REFUND.format(orders=orders))
    (folder / "scripts" / "wrong.yaml").write_text(WRONG)
    (folder / "scripts" / "late.yaml").write_text(LATE % said)
    (folder / "suite.yaml").write_text(ENGINES)


def split_off(words: Sequence[str]) -> int:
    """Begins a command of this package in a process of its own, without output; its id."""
    sys.stdout.flush()
    child = os.fork()
    if child:
        return child
    code = 3
    with contextlib.suppress(BaseException):
        null = os.open(os.devnull, os.O_RDWR)
        log = os.open("log.txt", os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
        os.dup2(null, 0)
        os.dup2(log, 1)
        os.dup2(log, 2)
        code = main(words)
        sys.stdout.flush()
        sys.stderr.flush()
    os._exit(code)


def run_words(engine: str, out: Path) -> list[str]:
    named = [] if engine == "embedded" else ["--engine", engine]
    return ["run", "suite.yaml", *named, "--out", str(out), "--report", "none", "-q", "--no-cache"]


def resume_words(out: Path) -> list[str]:
    return ["run", "--resume", str(out), "--report", "none", "-q", "--no-cache"]


def masked(value: Any) -> Any:
    """The value without what is new in every run."""
    if isinstance(value, dict):
        return {key: masked(item) for key, item in value.items() if key not in VOLATILE}
    return [masked(item) for item in value] if isinstance(value, list) else value


def records(run: ReportModel) -> dict[str, list[bytes]]:
    """By case, the lines of all its attempts, as they would be written without what is new in every run."""
    out = {}
    for case in run.cases:
        out[case.id] = [orjson.dumps(masked(run.document(place))) for place in case.places()]
    return out


def entries(run: ReportModel) -> list[Any]:
    """All that is listed of a run."""
    listed = [[case_row(case), [attempt_row(attempt) for attempt in case.attempts]] for case in run.cases]
    return [listed, dict(run.header), run.damaged]


def closed(folder: Path) -> Counter[str]:
    """How often the journal closes each case."""
    lines = (orjson.loads(line) for line in (folder / "journal.jsonl").read_bytes().splitlines())
    return Counter(line["case"] for line in lines if line["t"] == "attempt")


class Unbroken(NamedTuple):
    """A run that nobody killed."""

    records: dict[str, list[bytes]]
    outcome: Any
    size: int  # of its journal


def size_of(journal: Path) -> int:
    try:
        return journal.stat().st_size
    except FileNotFoundError:
        return 0


class Proof:
    """Figures of runs that were killed, and what was wrong with them."""

    def __init__(self, seed: int) -> None:
        self.chance = random.Random(seed)
        self.figures: Counter[str] = Counter()
        self.wrong: list[str] = []
        self.reference: dict[str, Unbroken] = {}

    def unbroken(self, engine: str) -> Unbroken:
        """A run that nobody killed; played in this process, which so has imported what the others need."""
        if engine not in self.reference:
            out = Path(f"unbroken-{engine}")
            with Path("log.txt").open("a") as log, contextlib.redirect_stdout(log), contextlib.redirect_stderr(log):
                code = main(run_words(engine, out))
            assert code == 1, Path("log.txt").read_text()  # some expectations do not hold
            run = read_run(out)
            self.reference[engine] = Unbroken(records(run), outcome(run), (out / "journal.jsonl").stat().st_size)
        return self.reference[engine]

    def cycle(self, engine: str, kills: int) -> None:
        """One run, killed so many times and gone on with after each."""
        self.unbroken(engine)
        out = Path("killed")
        shutil.rmtree(out, ignore_errors=True)
        words = run_words(engine, out)
        for _ in range(kills):
            if not self._killed(words, out, engine):
                break
            if (out / "journal.jsonl").exists():
                self._look(out)
                words = resume_words(out)
                if read_run(out).header.get("state") == "finished":  # killed after its last line
                    self.figures["kills after the last line"] += 1
                    break
        else:
            _, status = os.waitpid(split_off(words), 0)
            code = os.waitstatus_to_exitcode(status)
            if code != 1:
                self.wrong.append(f"{engine}: ended with {code}: {Path('log.txt').read_text()[-300:]}")
                return
        self._hold(out, engine)

    def _killed(self, words: Sequence[str], out: Path, engine: str) -> bool:
        """Whether the process was killed before it had ended."""
        final, journal = self.unbroken(engine).size, out / "journal.jsonl"
        child = split_off(words)
        before = size_of(journal)
        if self.chance.random() < 0.08:  # now and then before anything is written, or soon after
            time.sleep(self.chance.random() * 0.05)
        else:
            wanted = before + self.chance.random() * (final - before)
            while size_of(journal) < wanted and not os.waitid(os.P_PID, child, os.WEXITED | os.WNOHANG | os.WNOWAIT):
                time.sleep(0.0002)
            time.sleep(self.chance.random() * 0.002)
        with contextlib.suppress(ProcessLookupError):
            os.kill(child, signal.SIGKILL)
        _, status = os.waitpid(child, 0)
        if os.waitstatus_to_exitcode(status) != -signal.SIGKILL:
            return False
        self.figures["kills"] += 1
        self.figures[f"kills of {engine} runs"] += 1
        self.figures["kills of a run that was resumed"] += words[1] == "--resume"
        return True

    def _look(self, out: Path) -> None:
        """Counts what a kill left; one time in four the tail is torn as a power cut tears it."""
        journal = out / "journal.jsonl"
        data = journal.read_bytes()
        self.figures["torn tails a kill left"] += bool(data) and not data.endswith(b"\n")
        if self.chance.random() < 0.25 and len(data) > 1:
            keep = self.chance.randrange(max(1, len(data) - 3000), len(data))
            os.truncate(journal, keep)
            self.figures["tails torn by hand"] += 1
            self.figures["within a character"] += (data[keep] & 0xC0) == 0x80
        run = read_run(out)
        over = [case for case in run.cases if case.last.end is not None]
        self.figures["kills before the first case was over"] += not over
        self.figures["cases kept"] += len(over)
        self.figures["turns kept"] += sum(len(case.last.turns) for case in over)
        self.figures["cases cut off"] += len(run.cases) - len(over)
        self.figures["turns cut off"] += sum(len(case.last.turns) for case in run.cases if case.last.end is None)
        if entries(list_run(out)) != entries(run):
            self.wrong.append("the index does not agree with the journal of a killed run")

    def _hold(self, out: Path, engine: str) -> None:
        want, told, _ = self.unbroken(engine)
        run = read_run(out)
        self.figures["runs held against an unbroken one"] += 1
        got = records(run)
        for case in want.keys() | got.keys():
            if want.get(case) != got.get(case):
                self.wrong.append(f"{engine}: case {case}: {want.get(case)} became {got.get(case)}")
        self.wrong += [f"{engine}: case {case} was closed {count} times" for case, count in closed(out).items() if count != 1]
        if outcome(run) != told:
            self.wrong.append(f"{engine}: the outcome {told} became {outcome(run)}")
        if entries(list_run(out)) != entries(run):
            self.wrong.append(f"{engine}: the index does not agree with the journal")


def outcome(run: ReportModel) -> Any:
    """What a run came to."""
    keys = ("state", "counts", "spared", "verdict", "exit_code", "gates")
    return [run.header.get(key) for key in keys], run.counts, run.damaged


@contextlib.contextmanager
def served() -> Iterator[str]:
    """The agent behind Focal's contract, in a process of its own."""
    reading, writing = os.pipe()
    child = os.fork()
    if not child:
        os.dup2(writing, 1)
        os._exit(main(["serve", "agent.yaml", "--port", "0"]))
    os.close(writing)
    try:
        with os.fdopen(reading) as said:
            yield said.readline().split(" at ")[1].split()[0]
    finally:
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)


def proven(folder: Path, kills: int, seed: int, engines: Sequence[str], cases: int) -> Proof:
    """Figures of at least so many kills, over all engines alike."""
    build(folder, cases)
    os.chdir(folder)
    proof = Proof(seed)
    with served() if "served" in engines else contextlib.nullcontext("http://127.0.0.1:1") as url:
        os.environ["SHOP_URL"] = url
        while proof.figures["kills"] < kills and not proof.wrong:
            for engine in engines:
                proof.cycle(engine, proof.chance.choice((1, 1, 2, 3)))
    return proof


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=210)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--cases", type=int, default=60)
    parser.add_argument("--engines", default="embedded,slow,served")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as made:
        found = proven(Path(made), given.kills, given.seed, given.engines.split(","), given.cases)
        os.chdir("/")
    print(json.dumps({"figures": dict(found.figures), "wrong": found.wrong[:3]}, indent=2))
    sys.exit(bool(found.wrong))
