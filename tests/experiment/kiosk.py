"""A small agent with a suite, for experiments: it sells tickets and takes them back."""

from __future__ import annotations

from pathlib import Path

from focal_eval.evaluate.laboratory import open_lab
from focal_eval.evaluate.request import RunRequest
from focal_eval.experiment.lab import Lab

AGENT = """\
agent: kiosk
languages: {default: en}
rules:
  - {id: greet, match: {any_words: [hello, hi]}, template: hello, priority: 1}
  - {id: refund, match: {any_words: [refund], if: amount}, tools: pay_back, template: refunded, excludes: greet}
  - {id: limit, match: {any_words: [refund]}, hard: true, extract: {paid: 'back (?P<paid>[0-9]+)'}, enforce: paid <= 50,
     fallback: ask-staff}
scenarios:
  buying:
    enter: {match: {any_words: [buy]}}
    exit: {any_words: [stop]}
    steps:
      - {id: many, collect: count, go: [{to: pay, if: count < 5}, {to: refused}]}
      - {id: pay, template: pay, go: [{to: done, when: {any_words: [paid]}}]}
      - {id: done, terminal: true, template: bought}
      - {id: refused, terminal: true, template: too-many}
slots:
  count: {kind: number, ask: how-many}
variables: {amount: 20}
tools:
  pay_back: {args: {amount: amount}, returns: {ok: true}}
templates:
  hello: Hello. What can I do?
  refunded: You get back {{ amount }} euros.
  ask-staff: Please ask our staff.
  how-many: How many tickets?
  pay: That is 4 euros each.
  bought: Here are your tickets.
  too-many: We do not sell so many.
"""

SCRIPTS = {
    "greeting": "turns:\n  - user: hello\n    expect: {rules: [greet], response: {contains: Hello}}\n",
    "refund": """\
turns:
  - user: a refund please
    expect: {tools: [pay_back], response: {contains: You get back 20 euros}}
""",
    "buying": """\
turns:
  - {user: I want to buy tickets, expect: {scenario: buying/many, response: {contains: How many}}}
  - {user: "3", expect: {scenario: buying/pay}}
  - {user: I have paid, expect: {response: Here are your tickets}}
""",
}


def write_kiosk(folder: Path, agent: str = AGENT, scripts: dict[str, str] | None = None) -> Path:
    """The suite's file in that folder, beside its agent and scripts."""
    (folder / "scripts").mkdir(parents=True, exist_ok=True)
    (folder / "agent.yaml").write_text(agent, encoding="utf-8")
    for name, text in (SCRIPTS if scripts is None else scripts).items():
        (folder / "scripts" / f"{name}.yaml").write_text(text, encoding="utf-8")
    suite = folder / "suite.yaml"
    suite.write_text("scripts: [scripts/*.yaml]\nengine: {kind: embedded, agent: agent.yaml}\n", encoding="utf-8")
    return suite


def lab_of(suite: Path) -> Lab:
    """The lab of a suite's cases."""
    return open_lab(RunRequest((suite,))).lab
