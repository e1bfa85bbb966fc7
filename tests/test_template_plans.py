"""A template that is computed by a plan says what Jinja2's own code for it says, whatever it is filled with."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from focal_eval.template import Template, TemplateProblem, UndefinedName, compile_template

VALUES: dict[str, Any] = {
    "name": "Ann",
    "n": 3,
    "price": 18.5,
    "flag": False,
    "nothing": None,
    "lines": ["mug", "tray", 2],
    "order": {"id": "A-1", "items": ["mug"], "total": {"net": 4, "gross": 5.0}, "note": "it's <new>", "update": 1},
}
_ATOMS = (
    "name; n; price; flag; nothing; lines; order; missing; order.id; order.items; order.total.net; order.gone; "
    "order['items']; order.update; lines[0]; lines[7]; name[1]; name.upper; self; order._x; 1; 2.5; 'Ann'; ''; none; "
    "true; [1, 'a']; {'Ann': 1, 'x': name}; name.__class__; lines[:1]"
)
_FILTERS = (
    "upper; lower; title; capitalize; trim; round; int; float; abs; length; first; last; join; string; sort; sum; "
    "min; max; unique; tojson; fixed; default('d'); default('d', true); replace('a', 'b'); join(', '); round(1); "
    "fixed(1); round(1, method='floor')"
)
_BINARY = "+; -; *; /; //; %; ~; ==; !=; <; <=; >; >=; in; and; or; not in"
ATOMS, FILTERS, BINARY = (st.sampled_from(text.split("; ")) for text in (_ATOMS, _FILTERS, _BINARY))


def _larger(part: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    return st.one_of(
        st.builds("({} {} {})".format, part, BINARY, part),
        st.builds("({} < {} < {})".format, part, part, part),
        st.builds("({} | {})".format, part, FILTERS),
        st.builds("({} if {} else {})".format, part, part, part),
        st.builds("({} if {})".format, part, part),
        st.builds("(not {})".format, part),
        st.builds("(-{})".format, part),
        st.builds("({} is defined)".format, part),
        st.builds("({}).id".format, part),
        st.builds("({})[{}]".format, part, part),
        st.builds("{{'Ann': {}, {}: 2}}".format, part, part),
    )


EXPRESSIONS = st.recursive(ATOMS, _larger, max_leaves=6)
TEXTS = st.one_of(
    st.builds("{{{{ {} }}}}".format, EXPRESSIONS),
    st.builds("{{{{- {} -}}}}".format, EXPRESSIONS),
    st.builds(" {{{{ {} }}}}\n".format, EXPRESSIONS),
    st.builds("for {{{{ {} }}}} and {{{{ {} }}}}!".format, EXPRESSIONS, EXPRESSIONS),
    st.builds("{{# note #}}{{{{ {} }}}}".format, EXPRESSIONS),
)


def _filled(template: Template, *, by_jinja: bool) -> tuple[str, str]:
    try:
        value = template._filled(VALUES) if by_jinja else template.fill(VALUES)
    except TemplateProblem as problem:
        return type(problem).__name__, str(problem)
    return type(value).__name__, "" if type(value).__name__ == "generator" else repr(value).partition(" at 0x")[0]


@settings(max_examples=300, deadline=None)
@given(TEXTS)
@pytest.mark.filterwarnings("ignore::SyntaxWarning")
def test_a_plan_says_what_jinja_says(text: str) -> None:
    """The same value of the same type, and where there is none the same error in the same words."""
    try:
        template = Template(text)
    except TemplateProblem:
        return
    assert _filled(template, by_jinja=False) == _filled(template, by_jinja=True), text


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("{{ a.b['c'] | round(d) }} and {{ 'x' if e == f[0] else {g: h} }}", set("abdefgh") - {"b"}),
        ("{{ a is defined }} {{ b[1:] }}", {"a", "b"}),
        ("{{ 'only text' }}", set()),
    ],
)
def test_a_template_knows_the_names_it_reads(text: str, names: set[str]) -> None:
    """Whether it is computed by a plan or by Jinja2."""
    assert compile_template(text).names == names


def test_a_template_of_the_usual_kind_is_filled_without_code_of_its_own() -> None:
    """Jinja2 writes code for it only where it cannot be filled, to say why."""
    template = Template("Hello {{ name }}, {{ order.total.gross | fixed }} {{ 'is' if n > 2 else 'was' }} due")
    assert template.fill(VALUES) == "Hello Ann, 5.00 is due"
    assert template._pieces is None
    with pytest.raises(UndefinedName, match="'name' is not defined"):
        template.fill({"n": 1})
    with pytest.raises(TemplateProblem, match="'dict object' has no attribute 'total'"):
        template.fill({**VALUES, "order": {}})


def test_a_template_that_is_nested_deeply_is_for_jinja_to_judge() -> None:
    """It is filled, or refused in words; it never ends in a traceback."""
    assert Template("{{ " + "(" * 60 + "n" + ")" * 60 + " }}").fill(VALUES) == 3
    assert Template("{{ " + "not " * 60 + "n }}").fill(VALUES) is True
    with pytest.raises(TemplateProblem, match="too deeply nested"):
        Template("{{ " + "not " * 4000 + "n }}")
