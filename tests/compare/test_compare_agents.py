"""Edits of an agent, field by field, with what they reach."""

from __future__ import annotations

from focal_eval.compare import agent_edits
from focal_eval.compare.agent_file import agent_in
from focal_eval.compare.model import Edit
from focal_eval.document import read_text

AGENT = """\
agent: shop
settings: {threshold: 0.35}
triggers:
  wants-return: {any_words: [return]}
rules:
  - id: start-return
    when: the customer wants to return something
    match: wants-return
    template: sorry
  - id: final-sale
    match: {called: look, if: final}
    outranks: start-return
    priority: 3
  - id: thanks
    match: {any_words: [thanks]}
scenarios:
  - id: returns
    enter: {rules: [start-return]}
    steps:
      - {id: ask, template: sorry, go: [{to: book, if: ok}, {to: end}]}
      - {id: book, tools: [look]}
tools:
  look: {returns: {ok: true}}
templates:
  sorry: {text: {en: Sorry., de: Leider.}}
"""


def edits(*changes: tuple[str, str]) -> tuple[Edit, ...]:
    after = AGENT
    for old, new in changes:
        assert old in after
        after = after.replace(old, new)
    one, other = (agent_in(read_text(text, "agent.yaml")) for text in (AGENT, after))
    assert one is not None
    assert other is not None
    return agent_edits(one.data, other.data, before_lines=one.lines, after_lines=other.lines)


def test_nothing_is_edited_between_equal_agents() -> None:
    """Neither comments nor another way of writing the same list are edits."""
    assert edits() == ()
    assert edits(("outranks: start-return", "outranks: [start-return] # none")) == ()


def test_an_edited_rule_names_the_fields_and_its_line() -> None:
    """Nested fields are named by their path."""
    (edit,) = edits(("if: final", "if: final or late"), ("priority: 3", "priority: 4"))
    assert (edit.kind, edit.name, edit.change, edit.line) == ("rule", "final-sale", "edited", 10)
    assert edit.fields == (("match.if", "final", "final or late"), ("priority", 3, 4))


def test_an_edit_reaches_what_it_has_to_do_with() -> None:
    """A rule reaches those it outranks; a template and a trigger reach those that name them."""
    (rule,) = edits(("priority: 3", "priority: 4"))
    assert rule.touches == ("rule:final-sale", "rule:start-return")
    (template,) = edits(("en: Sorry.", "en: Pity."))
    assert (template.fields, template.line) == ((("text.en", "Sorry.", "Pity."),), 25)
    assert set(template.touches) == {"template:sorry", "rule:start-return", "step:returns/ask"}
    (trigger,) = edits(("[return]", "[return, refund]"))
    assert "rule:start-return" in trigger.touches
    (tool,) = edits(("ok: true", "ok: false"))
    assert {"tool:look", "rule:final-sale", "step:returns/book"} <= set(tool.touches)
    (setting,) = edits(("0.35", "0.4"))
    assert (setting.kind, setting.name, setting.line) == ("setting", "settings.threshold", 2)
    assert "rule:*" in setting.touches


def test_steps_and_edges_are_parts_of_their_own() -> None:
    """An edge is known by its step and its target."""
    (edge,) = edits(("{to: book, if: ok}", "{to: book, if: fine}"))
    assert (edge.kind, edge.name, edge.fields) == ("transition", "returns/ask → book", (("if", "ok", "fine"),))
    assert {"step:returns/ask", "step:returns/book"} <= set(edge.touches)
    (gone,) = edits((", {to: end}", ""))
    assert (gone.change, gone.line) == ("removed", 20)


def test_a_renamed_part_is_recognised() -> None:
    """The same fields under another id are one edit, not two."""
    (edit,) = edits(("- id: thanks", "- id: gratitude"))
    assert (edit.change, edit.name, edit.fields) == ("renamed", "gratitude", (("id", "thanks", "gratitude"),))


def test_moved_rules_are_told() -> None:
    """Of rules that both match the first wins, so their order is an edit."""
    text = "  - id: thanks\n    match: {any_words: [thanks]}\n"
    (edit,) = edits((text, ""), ("rules:\n  - id: start", f"rules:\n{text}  - id: start"))
    assert (edit.kind, edit.name, edit.change) == ("rule", "thanks", "moved")
    assert edit.fields == (("after", "final-sale", None),)


def test_added_and_removed_parts_have_the_line_of_their_side() -> None:
    """What was taken out is found in the file it stood in."""
    removed, added = edits(
        ("  - id: thanks\n    match: {any_words: [thanks]}\n", "  - id: bye\n    match: {any_words: [bye]}\n")
    )
    assert (removed.name, removed.change, removed.line) == ("thanks", "removed", 14)
    assert (added.name, added.change, added.line) == ("bye", "added", 14)


def test_strange_data_has_no_edits_of_its_own() -> None:
    """What is no agent is compared as far as it goes."""
    assert agent_edits(None, {"agent": "a"}) == (Edit("setting", "agent", "added", touches=("setting:agent", "rule:*")),)
    assert agent_edits([], []) == ()
    assert agent_edits({"rules": 3}, {"rules": [None]}) == ()
