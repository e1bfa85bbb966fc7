"""`variables`, `metadata`, `template`, ..., `messages`, `follow_ups`, `citations`, `enforcement`, and the limits."""

from __future__ import annotations

import pytest

from focal_eval.checks import Ref
from focal_eval.records import Citation, Enforcement, Tokens
from tests.checks.judged import check, judged, moment, only_finding, passes, reading, skipped_for

SEEN = moment(
    response="One.\n\nTwo.",
    messages=("One.", "Two."),
    template="apologise-damage",
    outcome="resolved",
    confidence=0.8,
    reasoning=None,
    variables={"tier": "gold", "type": "red", "not": 1},
    metadata={"locale": "en-US", "trace": {"id": 5}},
    follow_ups=("Track my order", "Cancel it"),
    citations=(Citation("Returns are free", "Policy 4", "https://x.example/4", 1), Citation(source="FAQ")),
    enforcement=(Enforcement("limit", "fallback", "60 > 50"), Enforcement("tone", "passed")),
    tokens=Tokens(prompt=100, completion=20),
    latency_ms=250.0,
)


@pytest.mark.parametrize(
    ("key", "yaml", "holds"),
    [
        ("template", "apologise-damage", True),
        ("template", "absent", False),
        ("template", "{one_of: [a, apologise-damage]}", True),
        ("outcome", "resolved", True),
        ("outcome", "{not: fallback}", True),
        ("confidence", "{at_least: 0.7}", True),
        ("confidence", "0.9", False),
        ("reasoning", "absent", True),
        ("reasoning", "null", True),
        ("reasoning", "any", False),
        ("variables", "{tier: gold, type: red, not: 1, gone: absent}", True),
        ("variables", "{tier: silver}", False),
        ("metadata", "{trace: {id: {at_least: 5}}}", True),
        ("metadata", "{locale: absent}", False),
        ("messages", "[One., {contains: two}]", True),
        ("messages", "[One.]", False),
        ("messages", "{count: 2, at: {0: One., -1: Two.}}", True),
        ("messages", "{at: {2: any}}", False),
        ("messages", "{count: {max: 1}}", False),
        ("follow_ups", "[track, CANCEL]", True),
        ("follow_ups", "refund", False),
        ("follow_ups", "{excludes: [cancel]}", False),
        ("follow_ups", "{exactly: [cancel it, track my order], count: 2}", True),
        ("citations", "[policy 4, faq]", True),
        ("citations", "[{url: {matches: /4$}, index: 1}]", True),
        ("citations", "[{source: FAQ, text: absent}]", True),
        ("citations", "{excludes: [policy], count: 2}", False),
        ("citations", "{count: {min: 3}}", False),
        ("enforcement", "limit", True),
        ("enforcement", "tone", False),
        ("enforcement", "{passed: [tone], action: {limit: fallback}}", True),
        ("enforcement", "{clean: true}", False),
        ("enforcement", "{passed: [other]}", False),
        ("latency_ms", "250", True),
        ("latency_ms", "{max: 249}", False),
        ("latency_ms", "{min: 300}", False),
        ("tokens", "120", True),
        ("tokens", "{max: 119}", False),
        ("tokens", "{prompt: 100, completion: {max: 20}, total: {min: 100}}", True),
        ("tokens", "{prompt: 99}", False),
    ],
)
def test_values_of_a_reply_are_judged(key: str, yaml: str, holds: bool) -> None:
    """Each value by a matcher, each list by what it includes, each figure by its limits."""
    assert passes(key, yaml, SEEN) is holds


@pytest.mark.parametrize(
    ("key", "yaml", "message", "path"),
    [
        ("template", "other", "the template is not as expected", ()),
        ("reasoning", "any", "there is no reasoning", ()),
        ("variables", "{tier: silver}", "variable 'tier' is not as expected", ("tier",)),
        ("variables", "{teir: gold}", "variable 'teir' is not there", ("teir",)),
        ("metadata", "{trace: {id: 6}}", "metadata 'trace.id' is not as expected", ("trace", "id")),
        ("messages", "[One., Three.]", "message 1 is not as expected", (1,)),
        ("messages", "[One.]", "the response has 2 messages, not 1", ()),
        ("messages", "{at: {5: x}}", "message 5 is not there", ("at", "5")),
        ("follow_ups", "[track, refund]", "no follow-up contains 'refund'", (1,)),
        ("follow_ups", "{exactly: [a]}", "the follow-ups are others than expected", ("exactly",)),
        ("citations", "[{source: Blog}]", "no citation is source 'Blog'", (0,)),
        ("citations", "{excludes: faq}", "a citation is 'faq'", ("excludes", 0)),
        ("enforcement", "[tone]", "rule 'tone' was not violated", (0,)),
        ("enforcement", "{violated: [ghost]}", "rule 'ghost' was not enforced at all", ("violated", 0)),
        ("enforcement", "{clean: true}", "rule 'limit' was violated", ("clean",)),
        ("latency_ms", "200", "the turn's latency is 250 ms", ()),
        ("tokens", "{max: 100}", "the number of tokens is 120", ("max",)),
        ("tokens", "{min: 200}", "the number of tokens is 120", ("min",)),
    ],
)
def test_a_wrong_value_is_named_at_its_place(key: str, yaml: str, message: str, path: tuple[str | int, ...]) -> None:
    """The message names the value, the path points at what was written."""
    found = only_finding(key, yaml, SEEN)
    assert (found.message, found.path) == (message, path)


def test_nearest_names_and_distances_are_told() -> None:
    """A misspelt variable shows the nearest one, a limit how far it is off."""
    assert only_finding("variables", "{teir: gold}", SEEN).near == "'tier' is 'gold'"
    assert only_finding("latency_ms", "200", SEEN).observed == "250 ms, 50 ms over the limit (25%)"
    assert only_finding("citations", "[policy 5]", SEEN).observed == (
        "'Returns are free' · 'Policy 4' · 'https://x.example/4', 'FAQ'"
    )


@pytest.mark.parametrize(
    ("key", "yaml", "reason"),
    [
        ("template", "absent", "templates"),
        ("outcome", "{not: x}", "outcomes"),
        ("confidence", "any", "confidence"),
        ("reasoning", "absent", "reasoning"),
        ("variables", "{x: absent}", "variables"),
        ("metadata", "{x: absent}", "metadata"),
        ("follow_ups", "{count: 0}", "follow-ups"),
        ("citations", "{count: 0}", "citations"),
        ("enforcement", "{clean: true}", "enforcement of hard constraints"),
        ("tokens", "5", "tokens"),
        ("cost", "5", "tokens"),
        ("latency_ms", "{max: 5, clock: engine}", "its latency"),
    ],
)
def test_unknown_values_are_skipped(key: str, yaml: str, reason: str) -> None:
    """What the engine does not report passes nothing, not even an absence."""
    assert skipped_for(key, yaml, moment(response="x")) == f"this engine does not report {reason}"


def test_latency_is_the_engine_s_figure_or_ours() -> None:
    """By default the engine's figure counts, else the measured one; either can be demanded."""
    both = moment(latency_ms=100.0, elapsed_ms=300.0)
    assert passes("latency_ms", "200", both)
    assert not passes("latency_ms", "{max: 200, clock: measured}", both)
    assert not passes("latency_ms", "200", moment(elapsed_ms=300.0))
    assert skipped_for("latency_ms", "200", moment(response="x")) == "nobody measured how long this turn took"


def test_the_first_token_is_judged_where_it_was_measured() -> None:
    """Engines that do not stream have no first token."""
    assert passes("first_token_ms", "200", moment(first_token_ms=150.0))
    assert not passes("first_token_ms", "{min: 200}", moment(first_token_ms=150.0))
    assert "does not stream" in skipped_for("first_token_ms", "200", moment(response="x"))


def test_cost_follows_the_prices_given() -> None:
    """Prompt and completion are priced apart where both are known, else the total; without prices there is no verdict."""
    apart = {"prompt": 1000.0, "completion": 5000.0}
    seen = moment(tokens=Tokens(prompt=100, completion=20), prices=apart)
    assert passes("cost", "0.2", seen)
    found = only_finding("cost", "0.15", seen)
    assert found.message == "the turn's cost is 0.2"
    assert passes("cost", "0.06", moment(tokens=Tokens(total=60), prices={"total": 1000.0}))
    assert "no prices are given" in skipped_for("cost", "1", moment(tokens=Tokens(total=60)))
    assert "do not fit" in skipped_for("cost", "1", moment(tokens=Tokens(total=60), prices=apart))


def test_tokens_not_split_are_not_judged_apart() -> None:
    """A total alone says nothing of the prompt."""
    assert "prompt tokens apart" in skipped_for("tokens", "{prompt: 5}", moment(tokens=Tokens(total=5)))


@pytest.mark.parametrize(
    ("key", "yaml", "problem"),
    [
        ("messages", "{at: {first: x}}", "'first' is not the number of a message"),
        ("citations", "[{}]", "say what the citation's text, source, url or index must be"),
        ("enforcement", "{clean: true, violated: [a]}", "'clean: true' leaves no room for violated rules"),
        ("enforcement", "{passed: [a], violated: [a]}", "'a' cannot be violated and pass at once"),
        ("latency_ms", "{clock: engine}", "give 'min', 'max' or both"),
        ("latency_ms", "{min: 5, max: 1}", "no number is at least 5 and at most 1"),
        ("latency_ms", "fast", "expected a number"),
        ("tokens", "{}", "give 'max', 'min', 'total', 'prompt' or 'completion'"),
        ("tokens", "1.5", "expected a whole number"),
        ("cost", "-1", "-1 is below 0"),
        ("variables", "[tier]", "expected a mapping, found a list"),
    ],
)
def test_a_value_entry_that_cannot_be_meant_is_refused(key: str, yaml: str, problem: str) -> None:
    """Contradictions and wrong shapes are found while reading."""
    _, problems = reading(key, yaml)
    assert len(problems) == 1
    assert problem in problems[0]


@pytest.mark.parametrize(
    ("key", "yaml"),
    [
        ("variables", "{}"),
        ("metadata", "{}"),
        ("messages", "{count: {min: 1}}"),
        ("follow_ups", "[]"),
        ("follow_ups", "{count: {min: 0}}"),
        ("citations", "[]"),
        ("enforcement", "[]"),
        ("latency_ms", "{min: 0}"),
        ("first_token_ms", "{min: 0}"),
    ],
)
def test_a_value_entry_that_cannot_fail_says_so(key: str, yaml: str) -> None:
    """An author is warned about an expectation that holds of every reply."""
    assert check(key, yaml).idle() is not None


def test_value_checks_name_their_references() -> None:
    """Templates, variables and enforced rules are looked up in the agent."""
    assert check("template", "hello").refs() == (Ref("template", "hello"),)
    assert check("template", "{not: hello}").refs() == ()
    assert Ref("variable", "gone", ("gone",), absent=True) in check("variables", "{tier: gold, gone: absent}").refs()
    assert check("enforcement", "[limit]").refs() == (Ref("rule", "limit", (0,)),)


@pytest.mark.parametrize(
    ("key", "yaml", "said"),
    [
        ("template", "a", "template is 'a'"),
        ("variables", "{a: 1}", "variable a is 1"),
        ("messages", "{count: 2}", "response has exactly 2 messages"),
        ("follow_ups", "[a]", "follow-ups contain 'a'"),
        ("citations", "{count: {max: 3}}", "citations: at most 3"),
        ("enforcement", "{clean: true}", "no hard constraint is violated"),
        ("latency_ms", "1500", "latency is at most 1,500 ms"),
        ("tokens", "{prompt: {max: 5}}", "prompt tokens are at most 5"),
        ("cost", "0.25", "cost is at most 0.25"),
    ],
)
def test_value_checks_describe_themselves(key: str, yaml: str, said: str) -> None:
    """Each expectation has words of its own."""
    assert check(key, yaml).describe() == said


def test_every_value_that_is_wrong_is_reported() -> None:
    """All variables are compared, not only the first that differs."""
    _, findings, _ = judged("variables", "{tier: silver, type: blue}", SEEN)
    assert [item.path for item in findings] == [("tier",), ("type",)]
