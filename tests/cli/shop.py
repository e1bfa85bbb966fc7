"""A small suite on disk: an agent of three rules, scripts that pass, and what it takes to break them."""

from __future__ import annotations

from pathlib import Path

AGENT = """
agent: kiosk
rules:
  - id: greet
    match: {any_words: [hello, hi]}
    then: greet the customer
    template: greeting
  - id: refund
    match: {any_words: [refund, money]}
    then: look the order up and refund it
    tools: [lookup_order]
    template: refunded
  - id: goodbye
    match: {any_words: [bye]}
    then: say goodbye
    template: farewell
slots:
  - id: order
    pattern: '[A-Z]-\\d+'
    listen: always
tools:
  lookup_order:
    args: {order_id: {variable: order}}
    returns: {status: delivered}
templates:
  - {id: greeting, mode: EXCLUSIVE, text: "Hello! How can I help?"}
  - {id: refunded, mode: EXCLUSIVE, text: "Your refund for {{ order }} is on its way."}
  - {id: farewell, mode: EXCLUSIVE, text: "Goodbye!"}
  - {id: fallback, mode: FALLBACK, text: "Sorry, I did not get that."}
"""

GREETING = """
title: A greeting is returned
tags: [smoke]
turns:
  - user: hello
    expect: {rules: [greet], response: {contains: help}}
  - user: bye
    expect: {rules: [goodbye]}
"""

REFUND = """
title: A refund is promised
params: {order: [A-1, A-2]}
turns:
  - user: "I want a refund for {{ order }}"
    expect:
      rules: [refund]
      tools: [lookup_order]
      response: {contains: "{{ order }}"}
"""

SUITE = """
scripts: [scenarios/**/*.yaml]
engine: {kind: embedded, agent: agent.yaml}
"""


def build(folder: Path) -> Path:
    """Writes the suite below a folder; the suite's file."""
    (folder / "scenarios" / "money").mkdir(parents=True)
    (folder / "agent.yaml").write_text(AGENT)
    (folder / "scenarios" / "greeting.yaml").write_text(GREETING)
    (folder / "scenarios" / "money" / "refund.yaml").write_text(REFUND)
    suite = folder / "suite.yaml"
    suite.write_text(SUITE)
    return suite
