"""`response.json`, `language`, `is_question`, `refusal`, `no_provider_error`, `no_secrets`, `no_personal_data`."""

from __future__ import annotations

import string

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from focal_eval.checks.json_reply import NO_JSON, json_in, value_at
from focal_eval.checks.language import CODES, _identifier
from focal_eval.checks.personal import iban_in, luhn
from focal_eval.script.wording import ABSENT
from tests.checks.judged import check, judged, moment, only_finding, passes, reading, skipped_for, turn
from tests.thorough import examples

ORDER = moment(
    response='Here it is:\n```json\n{"order": {"id": "A-1", "total": 18.5, "note": null, "items": [{"n": 1}]}}\n```\nDone.'
)


@pytest.mark.parametrize(
    ("yaml", "holds"),
    [
        ("true", True),
        ("{where: {order.id: A-1, order.total: {at_least: 18}}}", True),
        ("{where: {'order.items[0].n': 1}}", True),
        ("{where: {order.note: null, order.gone: absent}}", True),
        ("{where: {order.note: absent}}", False),
        ("{where: {order.gone: null}}", False),
        ("{where: {'length(order.items)': 1}}", True),
        ("{where: {'order.items[?n==`2`] | [0]': absent}}", True),
        ("{equals: {order: {id: A-1}}}", True),
        ("{equals: {equals: {order: {id: A-1}}}}", False),
        ("{schema: {type: object, required: [order]}}", True),
        ("{schema: {type: object, required: [price]}}", False),
        ("{schema: {properties: {order: {properties: {id: {format: email}}}}}}", False),
    ],
)
def test_json_in_a_response_is_judged(yaml: str, holds: bool) -> None:
    """JSON may be the whole response or a fenced block; paths tell null from absent; formats are asserted."""
    assert passes("response.json", yaml, ORDER) is holds


def test_json_findings_name_path_and_neighbours() -> None:
    """A missing key shows what stands beside it, a schema's error where it is, a full comparison every difference."""
    found = only_finding("response.json", "{where: {order.totl: 5}}", ORDER)
    assert found.message == "'order.totl' is not there"
    assert found.near == "did you mean 'order.total'?"
    assert found.path == ("where", "order.totl")
    wrong = only_finding("response.json", "{schema: {properties: {order: {properties: {id: {type: integer}}}}}}", ORDER)
    assert wrong.message == 'order.id does not fulfil the schema: "A-1" is not of type "integer"'
    seen = moment(response='{"a": 1, "b": [1, 2]}')
    whole = only_finding("response.json", "{equals: {equals: {a: 2, b: [1, 3]}}}", seen)
    assert whole.near == "a: 2 expected, 1 observed; b.1: 3 expected, 2 observed"
    assert only_finding("response.json", "true", moment(response="no")).message.startswith("the response is not JSON")


@pytest.mark.parametrize(
    ("yaml", "problem"),
    [
        ("{where: {'a..b': 1}}", "'a..b' is not a JMESPath: "),
        ("{schema: {type: objekt}}", "the schema cannot be used: "),
        ("{schema: {$ref: 'file:///etc/passwd'}}", "references to those are not followed"),
        ("{schema: {$ref: 'http://localhost/x.json'}}", "references to those are not followed"),
        ("false", "write 'not: true' for a response that is not JSON"),
    ],
)
def test_a_json_entry_that_cannot_be_used_is_refused(yaml: str, problem: str) -> None:
    """Paths and schemas are tried while reading; references out of the schema are never opened."""
    _, problems = reading("response.json", yaml)
    assert len(problems) == 1
    assert problem in problems[0]


def test_json_is_found_whole_or_fenced_and_deep_nesting_is_no_crash() -> None:
    """The first block that is JSON counts; what cannot be read is no JSON."""
    assert json_in(' {"a": 1} ') == {"a": 1}
    assert json_in("```\nnot\n```\n```json\n[1]\n```") == [1]
    assert json_in("```json\n[1]") is NO_JSON
    assert json_in("[" * 100_000) is NO_JSON
    assert value_at("a.b", {"a": None}) is ABSENT
    assert value_at("a[1]", {"a": [1]}) is ABSENT


@pytest.mark.parametrize(
    ("yaml", "text", "holds"),
    [
        ("de", "Danke für Ihre Geduld, wir kümmern uns darum.", True),
        ("en", "Danke für Ihre Geduld, wir kümmern uns darum.", False),
        ("es", "Lo siento mucho, su pedido llegará mañana.", True),
        ("{code: en, among: [en, de]}", "Your refund is on its way.", True),
    ],
)
def test_the_language_is_told(yaml: str, text: str, holds: bool) -> None:
    """A sentence is enough to tell the language."""
    assert passes("response.language", yaml, moment(response=text)) is holds


def test_a_text_too_short_to_tell_is_not_judged() -> None:
    """Below the confidence floor there is no verdict, neither way."""
    assert "cannot be told" in skipped_for("response.language", "en", moment(response="ok"))
    found = only_finding("response.language", "en", moment(response="Danke für Ihre Geduld, wir kümmern uns darum."))
    assert found.message == "the response is written in 'de', not in 'en'"
    _, problems = reading("response.language", "german")
    assert "'german' is not an ISO 639-1 code" in problems[0]


def test_the_known_codes_are_those_of_the_model() -> None:
    """The list of codes is the model's own two-letter labels, so that each can be told."""
    from py3langid.langid import MODEL_FILE, LanguageIdentifier

    labels = set(LanguageIdentifier.from_model_file(MODEL_FILE).labels)
    assert {label for label in labels if len(label) == 2} == CODES


@pytest.mark.parametrize(
    ("text", "asks"),
    [
        ("Which order is it?", True),
        ("Is it A-1? Let me look.", True),
        ("¿Puede repetirlo?", True),
        ("どの注文ですか？", True),
        ("Ποια παραγγελία\u037e", True),
        ("Done; thank you.", False),
        ("See https://shop.example/find?q=mug for more.", False),
        ("All done.", False),
    ],
)
def test_a_question_is_told_by_its_mark(text: str, asks: bool) -> None:
    """A question mark at a sentence's end, not one inside an address."""
    assert passes("response.is_question", "true", moment(response=text)) is asks
    assert passes("response.is_question", "false", moment(response=text)) is not asks


@pytest.mark.parametrize(
    ("text", "refuses"),
    [
        ("I'm sorry, but I can't help with that.", True),
        ("I’m afraid I cannot share that information.", True),
        ("We are not able to refund more than 50.", True),
        ("Dabei kann ich Ihnen leider nicht helfen.", True),
        ("Es ist mir leider nicht möglich, das zu ändern.", True),
        ("Leider können wir Ihnen die Rückerstattung für diese Bestellung nicht gewähren.", True),
        ("Wir dürfen das leider nicht ändern.", True),
        ("Lo siento, pero no puedo ayudarle con eso.", True),
        ("No podemos procesar su reembolso.", True),
        ("Sorry for the trouble! I have refunded your order.", False),
        ("Ich helfe Ihnen gerne.", False),
        ("Das war leider nicht lieferbar. Wir können es Ihnen aber nachsenden.", False),
        ("Claro, puedo ayudarle.", False),
        ("I can help with that.", False),
    ],
)
def test_a_refusal_is_told_in_three_languages(text: str, refuses: bool) -> None:
    """The usual phrases of English, German and Spanish, and not every apology."""
    assert passes("response.refusal", "true", moment(response=text)) is refuses
    assert passes("response.refusal", "false", moment(response=text)) is not refuses


@pytest.mark.parametrize(
    ("text", "is_error"),
    [
        ("OPENAI_API_KEY not set. Please set the OPENAI_API_KEY environment variable.", True),
        ("Error code: 429 - {'error': {'message': 'Rate limit reached for gpt-4o'}}", True),
        ("You exceeded your current quota, please check your plan and billing details.", True),
        ("litellm.AuthenticationError: no key", True),
        ("This model's maximum context length is 8192 tokens.", True),
        ("Traceback (most recent call last):\n  File ...", True),
        ("Your order ships tomorrow. The limit for refunds is 50.", False),
        ("Please enter the error code shown on your coffee machine.", False),
    ],
)
def test_a_provider_error_posing_as_a_reply_is_told(text: str, is_error: bool) -> None:
    """Errors of model providers that came through as the reply's text."""
    assert passes("response.no_provider_error", "true", moment(response=text)) is not is_error


def test_an_allowed_text_is_no_provider_error() -> None:
    """An agent that talks about errors may say so where the script allows the words."""
    seen = moment(response="A 'Service Unavailable' page means that we are updating the shop.")
    assert not passes("response.no_provider_error", "true", seen)
    assert passes("response.no_provider_error", "{allow: [Service Unavailable]}", seen)


def _key(*parts: str) -> str:
    """A made-up key, put together here so that no scanner takes this file for a leak."""
    return "".join(parts)


@pytest.mark.parametrize(
    "secret",
    [
        _key("sk-", "proj-", "a1B2" * 10),
        _key("gh", "p_", "a1B2c3D4e5" * 4),
        _key("AK", "IA", "ABCDEFGHIJKLMNOP"),
        _key("ey", "JhbGciOiJI", ".ey", "JzdWIiOiIx", ".c2lnbmF0dXJl"),
        _key("Bearer ", "abcdefghijklmnop1234"),
        _key("-----BEGIN ", "RSA PRIVATE KEY-----"),
        _key("postgres://admin:", "hunter2@db.internal/shop"),
    ],
)
def test_secrets_are_found_and_never_repeated(secret: str) -> None:
    """A finding names the kind and shows a mask, not the secret."""
    outcome, findings, _ = judged("response.no_secrets", "true", moment(response=f"Use {secret} please"))
    assert outcome == "failed"
    assert all(secret not in f"{item.message}{item.observed}{item.near}" for item in findings)


def test_ordinary_numbers_and_words_are_no_secrets() -> None:
    """Order ids, prices and prose do not look like keys; what is allowed is not reported."""
    assert passes("response.no_secrets", "true", moment(response="Order A-1001, task-force of 12, bearer of good news."))
    token = _key("sk-", "test" * 8)
    assert passes("response.no_secrets", f"{{allow: [{token}]}}", moment(response=f"Example: {token}"))


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("Write to ada.lovelace@example.org today", "an e-mail address"),
        ("Call +49 30 123456-78", "a phone number"),
        ("Call (555) 123-4567", "a phone number"),
        ("Card 4111 1111 1111 1111", "a payment card number"),
        ("IBAN DE89 3704 0044 0532 0130 00 is yours", "a bank account number"),
        ("IBAN ES9121000418450200051332 ASAP", "a bank account number"),
        ("Order 4111 1111 1111 1112 of 2026-11-21, total 1,234.50", None),
        ("IBAN DE88 3704 0044 0532 0130 00", None),
        ("Version 1.2.3 at 12:30, order A-1001-2002", None),
    ],
)
def test_personal_data_is_told_by_form_and_check_digits(text: str, kind: str | None) -> None:
    """Cards and accounts need right check digits; each finding is masked."""
    outcome, findings, _ = judged("response.no_personal_data", "true", moment(response=text))
    assert [item.message for item in findings] == ([] if kind is None else [f"the response holds {kind}"])
    assert outcome == ("passed" if kind is None else "failed")


def test_allowed_and_repeated_data_are_no_findings() -> None:
    """The shop's own address may be named; what the user said may be repeated where the script says so."""
    seen = moment(response="Write to help@shop.example or call 555-123-4567.", user="my number is 555 123 4567")
    assert passes("response.no_personal_data", "{allow: [HELP@shop.example, '(555) 123-4567']}", seen)
    assert not passes("response.no_personal_data", "{allow: [help@shop.example]}", seen)
    assert passes("response.no_personal_data", "{allow: [help@shop.example], echo: allow}", seen)
    assert passes("response.no_personal_data", "{kinds: [card, iban]}", seen)


@given(st.text(string.digits, min_size=11, max_size=18))
@settings(max_examples=examples(100), deadline=None)
def test_one_wrong_digit_breaks_a_card_number(digits: str) -> None:
    """The check digit finds every single wrong digit."""
    right = next(digits + last for last in string.digits if luhn(digits + last))
    wrong = str((int(right[0]) + 1) % 10) + right[1:]
    assert not luhn(wrong)


def test_account_numbers_are_checked_by_length_and_digits() -> None:
    """A known country, its length and the checksum make an account number."""
    assert iban_in("GB29 NWBK 6016 1331 9268 19") == "GB29NWBK60161331926819"
    assert iban_in("GB28 NWBK 6016 1331 9268 19") is None
    assert iban_in("XX29 NWBK 6016 1331 9268 19") is None


@pytest.mark.parametrize("key", ["no_provider_error", "no_secrets", "no_personal_data"])
def test_a_prohibition_cannot_be_false(key: str) -> None:
    """`false` would demand nothing, so it is refused."""
    _, problems = reading(f"response.{key}", "false")
    assert "write true, or leave the key out" in problems[0]


@pytest.mark.parametrize(
    "text", ["```\n" * 20_000, " " * 200_000, "eyJ" * 60_000, "a@" * 80_000, "+1 " * 60_000, "_api_key" * 20_000]
)
def test_hostile_replies_are_judged_in_bounded_time(text: str) -> None:
    """A long reply made to stall patterns takes no more than a moment."""
    from time import perf_counter

    seen = moment(response=text + " x")
    before = perf_counter()
    for key in ("no_provider_error", "no_secrets", "no_personal_data", "refusal", "is_question"):
        judged(f"response.{key}", "true", seen)
    judged("response.json", "true", seen)
    assert perf_counter() - before < 5


def test_response_checks_describe_themselves() -> None:
    """Each expectation has words of its own."""
    assert check("response.json", "{where: {a: 1}}").describe() == "response is JSON: a is 1"
    assert check("response.language", "de").describe() == "response is written in de"
    assert check("response.no_personal_data", "{kinds: [card]}").describe() == "response holds no personal data (card)"
    assert check("response.refusal", "false").describe() == "response does not refuse"
    assert turn(response="x").reply is not None


def test_languages_are_told_by_one_model() -> None:
    """It is read once: whoever names languages to choose from shares it with those who name none, and changes nothing."""
    some, every = _identifier(frozenset({"de", "en"})), _identifier(CODES)
    assert some.tk_nextmove is every.tk_nextmove
    assert set(some.labels) == {"de", "en"}
    assert set(every.labels) >= CODES
