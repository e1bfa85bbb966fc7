"""A small project for tests: an agent, a suite, two scripts and a fragment."""

from __future__ import annotations

from pathlib import Path

AGENT = """\
agent: shop
fallback: unsure
variables: {vip: false}
rules:
  greet:
    when: the user says hello
    match: {any_words: [hello, hi]}
    then: greet the user
    template: welcome
    priority: 3
  refund:
    match: {any_words: [refund]}
    template: refund-start
    sets: {vip: true}
  goodbye:
    match: {any_words: [bye]}
    template: farewell
    excludes: [greet]
scenarios:
  returns:
    enter: {rules: [refund]}
    steps:
      ask:
        collect: [order]
        template: which-order
        go: [{to: done}]
      done:
        tools: [find_order]
        template: found
        terminal: true
slots:
  order: {pattern: '[A-Z]-[0-9]+', ask: which-order}
tools:
  find_order:
    args: {number: order}
    returns: {status: "sent to {{ number }}"}
templates:
  unsure: I did not get that.
  welcome: Welcome!
  refund-start: A refund, then.
  which-order: Which order?
  found: "{{ order }} is {{ result.find_order.status }}, friend: {{ vip }}"
  farewell: Goodbye!
"""
SUITE = """\
title: Shop
scripts: [../scenarios/*.yaml]
engine: {kind: embedded, agent: agents/shop.yaml}
"""
HELLO = """\
title: A greeting \N{WAVING HAND SIGN}
turns:
  - user: "hello \N{WAVING HAND SIGN}"
    expect: {rules: [greet], response: {contains: Welcome}}
"""
REFUND = """\
title: A refund
params:
  wanted: [refund]
tools:
  find_order:
    - when: {number: A-1}
      returns: {status: lost}
turns:
  - user: a refund please
    expect:
      rules: ["{{ wanted }}"]
      scenario: returns/ask
  - include: fragments/order.yaml
conversation:
  - visits: [returns/ask]
  - never: {rule: goodbye}
"""
FRAGMENT = """\
turns:
  - user: A-1
    expect:
      tools: {exactly: [{find_order: {number: A-1}}]}
"""
FILES = {
    "evals/agents/shop.yaml": AGENT,
    "evals/shop.yaml": SUITE,
    "scenarios/hello.yaml": HELLO,
    "scenarios/refund.yaml": REFUND,
    "scenarios/fragments/order.yaml": FRAGMENT,
}


def make_shop(folder: Path) -> Path:
    """Writes the project into a folder."""
    for name, text in FILES.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(text.encode())
    return folder
