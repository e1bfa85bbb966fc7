"""Personal data in recorded conversations becomes pseudonyms before anything is written, by rules that are listed here.

Within a conversation the same value always becomes the same pseudonym, in the words said, in arguments, results and variables.
A pseudonym keeps the form of what it stands for, so that patterns that read an e-mail address or a phone number read it too.
"""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import partial

from focal_eval.checks.personal import iban_in, luhn
from focal_eval.importers.pseudonyms import PSEUDONYMS
from focal_eval.records import UNKNOWN, Json, ToolCall
from focal_eval.records.conversation import Conversation, RecordedExchange
from focal_eval.runner.redact import Redactor


@dataclass(frozen=True, slots=True)
class Redaction:
    """One rule: what is found, how, and what stands there instead."""

    kind: str
    found: str
    becomes: str


REDACTIONS: tuple[Redaction, ...] = (
    Redaction("secret", "tokens and keys of the usual forms: Bearer …, sk-…, ghp_…, AKIA…, private keys", "[redacted]"),
    Redaction("email", "name@host.tld anywhere", "person1@example.com"),
    Redaction("iban", "country, length and check digits are right, with or without spaces", "zeros, check digits right"),
    Redaction("card", "13 to 19 digits, the first of them 2 to 6, check digit right", "4000…, check digit right"),
    Redaction("phone", "+ and 7 to 16 digits; (555) 123-4567; 030 1234567; 0171/123 45 67", "other digits in the same groups"),
    Redaction("social", "123-45-6789", "000-00-0001"),
    Redaction("street", "12 Elm Street and its kind; Elmstraße 12, Am Elmweg 12; Calle Mayor 12", "1 Sample Street"),
    Redaction("name", "after “my name is”, “this is … speaking”, “ich heiße”, “mein Name ist”, “me llamo”, “mi nombre es”; "
              "values of first_name, last_name, full_name and their kind; then wherever they stand", "Alex Doe"),
    Redaction("user", "values of user_id, username, login; then wherever they stand", "user_1"),
    Redaction("zip", "values of zip, postal_code, plz and their kind; then wherever they stand", "other digits, same form"),
    Redaction("birth", "values of date_of_birth, dob, birthday; then wherever they stand", "1980-01-01, or the same form"),
    Redaction("document", "values of passport, ssn, tax_id and their kind; then wherever they stand", "other signs, same form"),
)  # fmt: skip
"""In the order in which they are applied to a text. What has no such form, such as a name said in passing, is not found."""

_EMAIL = re.compile(r"(?<![\w.+-])[A-Za-z0-9][\w.+-]{0,63}@(?:[A-Za-z0-9-]{1,63}\.){1,5}[A-Za-z]{2,24}\b")
_IBAN = re.compile(r"(?<!\w)[A-Za-z]{2}\d{2}(?: ?[A-Za-z0-9]{4}){2,7}(?: ?[A-Za-z0-9]{1,4})?(?!\w)")
_CARD = re.compile(r"(?<![\w-])[2-6]\d{3}(?:[ -]?\d){9,15}(?![\w-]?\d)")
_PHONE = re.compile(
    r"(?<![\w+])(?<!\d[ -])(?:\+\d{1,3}(?:[ .()/-]{0,2}\d){6,13}"
    r"|\(\d{3}\) ?\d{3}[ .-]\d{4}|\d{3}[.-]\d{3}[.-]\d{4}"
    r"|0\d{1,4}[ /-]\d{3,4}(?:[ -]?\d{2,4}){1,3})(?![\w-]?\d)"
)
_SOCIAL = re.compile(r"(?<![\w-])\d{3}-\d{2}-\d{4}(?![\w-])")
_ROADS = "Street|St|Road|Rd|Avenue|Ave|Lane|Ln|Drive|Dr|Boulevard|Blvd|Court|Ct|Way|Place|Pl"
_STRASSEN = r"straße|strasse|str\.|weg|platz|allee|gasse"
_STREET = re.compile(
    rf"(?<!\w)\d{{1,5}} (?:[A-Z][a-z]{{1,20}} ){{1,3}}(?:{_ROADS})\b\.?"
    rf"|(?<!\w)(?:[A-ZÄÖÜ][a-zäöüß]{{1,20}} )?[A-ZÄÖÜ]?[a-zäöüß]{{2,20}}(?:{_STRASSEN}) \d{{1,4}}[a-z]?(?!\w)"
    r"|(?<!\w)(?:Calle|Avenida|Plaza) (?:de (?:la |los |las )?)?[A-ZÁÉÍÓÚÑ]\w{1,20},? \d{1,4}(?!\w)"
)
_WORD = r"[A-ZÄÖÜÁÉÍÓÚÑÇ][\w'’-]{1,24}"
_CALLED = re.compile(
    rf"(?i:\b(?:my name(?: is|['’]s)|i am called|ich heiße|mein name ist|me llamo|mi nombre es)) ({_WORD}(?: {_WORD}){{0,2}})"
    rf"|(?i:\bthis is) ({_WORD}(?: {_WORD}){{0,2}})(?i: speaking| here)"
)

_KEYS: Mapping[str, str] = {
    **dict.fromkeys(("firstname", "lastname", "fullname", "surname", "givenname", "familyname", "customername", "contactname",
                     "passengername", "cardholder", "cardholdername", "recipientname"), "name"),
    **dict.fromkeys(("userid", "username", "login"), "user"),
    **dict.fromkeys(("address1", "address2", "street", "streetaddress", "addressline1", "addressline2"), "street"),
    **dict.fromkeys(("zip", "zipcode", "postalcode", "postcode", "plz"), "zip"),
    **dict.fromkeys(("email", "emailaddress", "mail"), "email"),
    **dict.fromkeys(("phone", "phonenumber", "mobile", "mobilenumber", "telephone"), "phone"),
    **dict.fromkeys(("dob", "dateofbirth", "birthdate", "birthday"), "birth"),
    **dict.fromkeys(("ssn", "passport", "passportnumber", "taxid", "nationalid"), "document"),
}  # fmt: skip
MAX_VALUES = 500  # of one conversation that are looked for everywhere
MAX_DEPTH = 40


class Pseudonyms:
    """The pseudonyms of one conversation; `counts` has the values replaced, by kind."""

    def __init__(self, conversation: Conversation) -> None:
        self.counts: Counter[str] = Counter()
        self._made: dict[tuple[str, str], str] = {}
        self._numbers: Counter[str] = Counter()
        self._known: dict[str, str] = {}  # value → kind, found by key or introduction
        for kind, value in _told(conversation):
            if len(self._known) < MAX_VALUES:
                self._learn(kind, value)
        self._anywhere = _anywhere(self._known)

    def conversation(self, found: Conversation) -> Conversation:
        """The conversation, redacted."""
        return replace_conversation(found, self)

    def _learn(self, kind: str, value: str) -> None:
        value = value.strip()
        if kind == "name":
            self._known.update({part: "name" for part in value.split() if len(part) > 1})
        elif len(value) > 2:
            self._known[value] = kind

    def text(self, text: str) -> str:
        """The text, redacted. Where only its normal form (full-width digits and such) shows the data, that form is given."""
        out = self._redacted(text)
        if out == text and not text.isascii() and (normal := unicodedata.normalize("NFKC", text)) != text:
            shown = self._redacted(normal)
            return text if shown == normal else shown
        return out

    def _redacted(self, text: str) -> str:
        hidden = _SECRETS(text.encode("utf-8", "replace"))
        if b"[redacted]" in hidden and (bare := hidden.decode()) != text:
            text = bare
            self.counts["secret"] += 1
        for kind, pattern, fits in _PATTERNS:
            text = pattern.sub(partial(self._found, kind, fits), text)
        if self._anywhere is not None:
            text = self._anywhere.sub(lambda found: self._for(self._known[found[0]], found[0]), text)
        return text

    def _found(self, kind: str, fits: Callable[[str], bool], found: re.Match[str]) -> str:
        return self._for(kind, found[0]) if fits(found[0]) else found[0]

    def data(self, value: Json, key: str = "", depth: int = 0) -> Json:
        """Plain data, redacted: by the keys, and every text as text."""
        kind = _KEYS.get(_bare(key))
        if isinstance(value, Mapping):
            return (
                {str(name): self.data(item, str(name), depth + 1) for name, item in value.items()}
                if depth < MAX_DEPTH
                else None
            )
        if isinstance(value, (list, tuple)):
            return [self.data(item, key, depth + 1) for item in value] if depth < MAX_DEPTH else None
        if isinstance(value, str):
            if kind == "name":
                return " ".join(self._for("name", part) for part in value.split())
            return self.text(value) if kind is None or not value.strip() else self._for(kind, value)
        if kind is not None and isinstance(value, int) and not isinstance(value, bool):
            return int(self._for(kind, str(value))) if kind in ("zip", "phone", "document") else value
        return value

    def _for(self, kind: str, value: str) -> str:
        same = (kind, value.casefold())
        if same not in self._made:
            self._numbers[kind] += 1
            self._made[same] = PSEUDONYMS[kind](value, self._numbers[kind])
        self.counts[kind] += 1
        return self._made[same]


def replace_conversation(found: Conversation, by: Pseudonyms) -> Conversation:
    """A conversation whose every text and value went through the pseudonyms."""
    return replace(
        found,
        id=by.text(found.id),
        turns=tuple(_turn(turn, by) for turn in found.turns),
        start=by.data(found.start),
        history=tuple((_said(user, by), _said(agent, by)) for user, agent in found.history),
        metadata=by.data(found.metadata),
    )


def _turn(turn: RecordedExchange, by: Pseudonyms) -> RecordedExchange:
    return replace(
        turn,
        user=_said(turn.user, by),
        agent=UNKNOWN if turn.agent is UNKNOWN else by.text(turn.agent),
        tools=UNKNOWN if turn.tools is UNKNOWN else tuple(_call(call, by) for call in turn.tools),
        variables=UNKNOWN if turn.variables is UNKNOWN else by.data(turn.variables),
    )


def _said(text: str | None, by: Pseudonyms) -> str | None:
    return None if text is None else by.text(text)


def _call(call: ToolCall, by: Pseudonyms) -> ToolCall:
    return replace(
        call,
        arguments=UNKNOWN if call.arguments is UNKNOWN else by.data(call.arguments),
        result=UNKNOWN if call.result is UNKNOWN else by.data(call.result),
        error=None if call.error is None else by.text(call.error),
    )


def _told(conversation: Conversation) -> Iterator[tuple[str, str]]:
    """Values that are personal by their key, or by how they were introduced."""
    yield from _keyed(conversation.start)
    for user in (*(user for user, _ in conversation.history), *(turn.user for turn in conversation.turns)):
        for found in _CALLED.finditer(user or ""):
            yield "name", found[1] or found[2]
    for turn in conversation.turns:
        for call in () if turn.tools is UNKNOWN else turn.tools:
            for data in (call.arguments, call.result):
                if data is not UNKNOWN:
                    yield from _keyed(data)
        if turn.variables is not UNKNOWN:
            yield from _keyed(turn.variables)


def _keyed(data: Json, key: str = "", depth: int = 0) -> Iterator[tuple[str, str]]:
    if isinstance(data, Mapping) and depth < MAX_DEPTH:
        for name, item in data.items():
            yield from _keyed(item, str(name), depth + 1)
    elif isinstance(data, (list, tuple)) and depth < MAX_DEPTH:
        for item in data:
            yield from _keyed(item, key, depth + 1)
    elif isinstance(data, str) and (kind := _KEYS.get(_bare(key))) is not None:
        yield kind, data


def _bare(key: str) -> str:
    return re.sub(r"[^a-z0-9]", "", key.casefold())


def _anywhere(known: Mapping[str, str]) -> re.Pattern[str] | None:
    """Finds the values as whole words, the longest first."""
    words = sorted(known, key=lambda word: (-len(word), word))
    return re.compile(r"(?<!\w)(?:" + "|".join(map(re.escape, words)) + r")(?!\w)") if words else None


def _always(_: str) -> bool:
    return True


def _is_iban(text: str) -> bool:
    return iban_in(text.upper()) is not None


def _is_card(text: str) -> bool:
    return luhn(re.sub(r"\D", "", text))


_SECRETS = Redactor()
_PATTERNS: tuple[tuple[str, re.Pattern[str], Callable[[str], bool]], ...] = (
    ("email", _EMAIL, _always),
    ("iban", _IBAN, _is_iban),
    ("card", _CARD, _is_card),
    ("phone", _PHONE, _always),
    ("social", _SOCIAL, _always),
    ("street", _STREET, _always),
)
