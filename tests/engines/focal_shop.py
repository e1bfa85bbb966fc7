"""The agent that tests of the focal engine talk to, and a server for it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from focal_eval.engines.base import Setting
from focal_eval.engines.embedded import Embedded
from focal_eval.server.app import Options, make_app
from focal_eval.server.listen import in_background

AGENT = """\
agent: shop
greeting: hello
rules:
  - {id: damaged, when: it is broken, match: {any_words: [broken]}, tools: lookup}
  - {id: thanks, match: {any_words: [thanks]}, template: welcome}
slots: {order: {pattern: '[A-Z]-\\d+', listen: always, ask: ask}}
scenarios:
  refund:
    enter: {rules: damaged}
    exit: {any_words: [forget it]}
    steps:
      - {id: which, collect: order, go: [{to: sure}]}
      - {id: sure, template: sure, go: [{to: done, when: {any_words: ["yes"]}}]}
      - {id: done, terminal: true, template: done}
tools:
  lookup: {returns: {total: 20}}
templates:
  hello: hi there
  ask: which order?
  sure: {text: "{{ order }},\\n  sure?", mode: EXCLUSIVE}
  done: paid
  welcome: you are welcome
  FALLBACK: {text: "I did not  get that.", mode: FALLBACK}
"""

SAID = ("thanks", "it is broken", "A-1", "forget it")
"""A conversation: a rule, the start of a scenario, its next step, the way out."""


@contextmanager
def serving(agent: Path, options: Options | None = None) -> Iterator[str]:
    """An agent file on a socket of its own; gives the URL."""
    with in_background(make_app(Embedded(str(agent)).connect(Setting(Path())), options)) as url:
        yield url
