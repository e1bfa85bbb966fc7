"""Templates of strangers: short ones that would run for ever or fill the memory are refused."""

from __future__ import annotations

import pytest

from focal_eval.template import MAX_RENDERED, Template, TemplateProblem

GROWING = {
    "replace": "{{ 'aaaaaaaaaa' " + "| replace('a', 'aaaaaaaaaa') " * 12 + "}}",
    "join": "{{ 'aaaaaaaaaa' " + "| join('bbbbbbbbbb') " * 12 + "}}",
    "many pieces": "{{ word }} " * 50,
    "joined pieces": "{{ " + " ~ ".join(["word"] * 100) + " }}",
    "added pieces": "{{ " + " + ".join(["word"] * 100) + " }}",
    "text times number": "{{ word * 1000000 }}",
    "power": "{{ 9 ** 9 ** 9 }}",
    "json indent": "{{ [1] | tojson(indent=1000000000) }}",
    "digits": "{{ 1 | round(1000000000, 'floor') }}",
}


@pytest.mark.parametrize("text", GROWING.values(), ids=GROWING)
def test_a_growing_template_is_refused_at_once(text: str) -> None:
    """Its cost stays in proportion to its length, whatever the filters are given."""
    with pytest.raises(TemplateProblem, match=r"longer than|join more than|not allowed|unexpected keyword|up to 15 digits"):
        Template(text).fill({"word": "x" * (MAX_RENDERED // 20)})


def test_the_bounded_filters_do_what_they_say() -> None:
    """`replace`, `join`, `round` and `tojson` keep their meaning for the values of a script."""
    fill = {"word": "a-b-a", "items": ["A-1", 2], "total": 18.456}
    assert Template("{{ word | replace('a', 'x') }}").fill(fill) == "x-b-x"
    assert Template("{{ word | replace('a', 'x', 1) }}").fill(fill) == "x-b-a"
    assert Template("{{ items | join(', ') }}").fill(fill) == "A-1, 2"
    assert Template("{{ total | round(2) }}").fill(fill) == 18.46
    assert Template("{{ total | round }}").fill(fill) == 18.0
    assert Template("{{ items | tojson }}").fill(fill) == '["A-1", 2]'
    assert Template("about {{ word }}, {{ total }}").fill(fill) == "about a-b-a, 18.456"
