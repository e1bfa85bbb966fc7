"""Writes N conversations in the shape of every job, the same to the byte each time.

    python benchmarks/generate.py CONVERSATIONS FOLDER [--turns 5]

A seeded share of the conversations expects something the agent does not do: a tool that cannot tell them apart is
reported as wrong, however fast it is. `expected.json` holds the counts every job must arrive at.
"""

from __future__ import annotations

import argparse
import json
import random
from collections.abc import Iterator
from pathlib import Path
from typing import TypedDict

from engine import LINES, bike

SEED = 20261121
WRONG_SHARE = 0.05


class Expected(TypedDict):
    """What one turn must show."""

    contains: str
    rule: str
    tool: str


class Turn(TypedDict):
    """One message and its three expectations."""

    user: str
    expect: Expected


class Conversation(TypedDict):
    """One conversation of the workload."""

    id: str
    turns: list[Turn]
    wrong: bool


def conversations(count: int, turns: int) -> Iterator[Conversation]:
    """The workload; about one conversation in twenty holds one expectation the agent does not meet."""
    chance = random.Random(SEED)
    for number in range(count):
        told = []
        for index in range(turns):
            line = LINES[index % len(LINES)]
            expect: Expected = {"contains": line.contains.format(bike=bike(number)), "rule": line.rule, "tool": line.tool}
            told.append(Turn(user=line.says.format(bike=bike(number)), expect=expect))
        wrong = chance.random() < WRONG_SHARE
        if wrong:
            expect = told[chance.randrange(turns)]["expect"]
            match chance.randrange(3):
                case 0:
                    expect["contains"] = f"no bicycle {bike(number)}"
                case 1:
                    expect["rule"] = "refuse-rider"
                case _:
                    expect["tool"] = "call_police"
        yield Conversation(id=f"hire-{number:06d}", turns=told, wrong=wrong)


def quoted(text: str) -> str:
    """A JSON string is a YAML string."""
    return json.dumps(text)


def script(conversation: Conversation) -> str:
    """A focal-eval script, as a person would write it; the bare loops and pytest read the same files."""
    lines = [f"title: {conversation['id']}", "turns:"]
    for turn in conversation["turns"]:
        expect = turn["expect"]
        lines += [
            f"  - user: {quoted(turn['user'])}",
            "    expect:",
            f"      rules: [{expect['rule']}]",
            f"      tools: [{expect['tool']}]",
            f"      response: {{contains: {quoted(expect['contains'])}}}",
        ]
    return "\n".join(lines) + "\n"


def plain_turns(conversation: Conversation, indent: str) -> str:
    """The turns as plain YAML, for the jobs that read one large file."""
    lines = []
    for turn in conversation["turns"]:
        expect = turn["expect"]
        lines += [
            f"{indent}- user: {quoted(turn['user'])}",
            f"{indent}  expect:",
            f"{indent}    contains: {quoted(expect['contains'])}",
            f"{indent}    rule: {expect['rule']}",
            f"{indent}    tool: {expect['tool']}",
        ]
    return "\n".join(lines) + "\n"


SUITE = """\
title: Bicycle hire desk
scripts: [scripts/*.yaml]
engine:
  kind: callable
  target: desk.py:answer
  reports: [response, rules, tools]
gates: {pass_rate: {min: 0}}
"""

SUITE_REMOTE = """\
title: Bicycle hire desk, over HTTP
scripts: [scripts/*.yaml]
engine:
  kind: focal
  url: ${BENCH_URL}
  tenant: 11111111-1111-4111-8111-111111111111
  stored: false
gates: {pass_rate: {min: 0}}
"""

ONE_FILE = "conversations:\n"
PYDANTIC_EVALS = "name: bicycle hire desk\ncases:\n"
PYDANTIC_EVALS_END = "evaluators:\n- TurnChecks\n"


def promptfoo_test(conversation: Conversation) -> str:
    """One promptfoo test: its provider replays the turns, fifteen JavaScript assertions look at what came back."""
    messages = json.dumps([turn["user"] for turn in conversation["turns"]])
    lines = [
        f"- description: {conversation['id']}",
        "  vars:",
        f"    session: {conversation['id']}",
        f"    messages: {quoted(messages)}",
        "  assert:",
    ]
    for index, turn in enumerate(conversation["turns"]):
        expect = turn["expect"]
        for test in (
            f"output[{index}].response.includes({quoted(expect['contains'])})",
            f"output[{index}].rules.includes({quoted(expect['rule'])})",
            f"output[{index}].tools.includes({quoted(expect['tool'])})",
        ):
            lines += ["  - type: javascript", f"    value: {quoted(test)}"]
    return "\n".join(lines) + "\n"


def promptfoo_config(folder: Path) -> str:
    """The configuration beside the tests; the provider is named by its full path."""
    provider = Path(__file__).resolve().parent / "peers" / "promptfoo" / "provider.js"
    tests = folder / "promptfoo-tests.yaml"
    return (
        "description: bicycle hire desk\n"
        'prompts: ["{{messages}}"]\n'
        f"providers: [{quoted(f'file://{provider}')}]\n"
        f"tests: {quoted(f'file://{tests}')}\n"
    )


def generate(count: int, turns: int, folder: Path) -> None:
    """Fills `folder`; `expected.json` comes last, so a folder that has it is complete."""
    scripts = folder / "scripts"
    scripts.mkdir(parents=True, exist_ok=True)
    failed = 0
    with (
        (folder / "one-file.yaml").open("w") as one_file,
        (folder / "pydantic-evals.yaml").open("w") as cases,
        (folder / "promptfoo-tests.yaml").open("w") as tests,
    ):
        one_file.write(ONE_FILE)
        cases.write(PYDANTIC_EVALS)
        for conversation in conversations(count, turns):
            name = conversation["id"]
            (scripts / f"{name}.yaml").write_text(script(conversation))
            one_file.write(f"- id: {name}\n  turns:\n{plain_turns(conversation, '  ')}")
            cases.write(f"- name: {name}\n  inputs:\n    id: {name}\n    turns:\n{plain_turns(conversation, '    ')}")
            tests.write(promptfoo_test(conversation))
            failed += conversation["wrong"]
        cases.write(PYDANTIC_EVALS_END)
    (folder / "suite.yaml").write_text(SUITE)
    (folder / "suite-remote.yaml").write_text(SUITE_REMOTE)
    (folder / "promptfoo.yaml").write_text(promptfoo_config(folder.resolve()))
    here = Path(__file__).resolve().parent
    (folder / "desk.py").write_text((here / "engine.py").read_text())
    (folder / "expected.json").write_text(json.dumps({"passed": count - failed, "failed": failed}) + "\n")


def main() -> None:
    parser = argparse.ArgumentParser(description="Write the benchmark's conversations.")
    parser.add_argument("conversations", type=int)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--turns", type=int, default=5)
    arguments = parser.parse_args()
    generate(arguments.conversations, arguments.turns, arguments.folder)


if __name__ == "__main__":
    main()
