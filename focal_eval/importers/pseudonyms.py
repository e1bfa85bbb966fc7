"""What stands for a piece of personal data: something invented that has its form, check digits included."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping

from focal_eval.checks.personal import iban_in, luhn

_FIRST = ("Alex", "Robin", "Sam", "Kim", "Chris", "Jo", "Pat", "Toni", "Nico", "Luca", "Charlie", "Andrea", "Jules", "Sascha")
_LAST = ("Doe", "Roe", "Poe", "Low", "Moore", "Sample", "Stone", "Field", "Wood", "Hill", "Lake", "Marsh", "Reed", "Vale")
_ISO_DATE = re.compile(r"\d{4}-\d{2}-\d{2}\Z")


def _regrouped(digits: str, like: str) -> str:
    """Digits and letters in the places where `like` has some."""
    signs = iter(digits)
    return "".join(next(signs, "0") if sign.isalnum() else sign for sign in like)


def _shaped(value: str, number: int) -> str:
    """The same form with other signs: `94103` → `00001`."""
    count = sum(sign.isdigit() for sign in value)
    digits = iter(str(number).rjust(count, "0")[-count:] if count else "")
    return "".join(next(digits) if s.isdigit() else ("X" if s.isupper() else "x") if s.isalpha() else s for s in value)


def _phone(value: str, number: int) -> str:
    count = sum(sign.isdigit() for sign in value)
    filler = "0" if value.startswith("0") else "1" if value.startswith("+1") else "5"
    return _regrouped((filler + "5" * count)[: count - 2] + f"{number % 100:02d}", value)


def _card(value: str, number: int) -> str:
    count = sum(sign.isdigit() for sign in value)
    body = "4" + f"{number}".rjust(count - 2, "0")[-(count - 2) :]
    return _regrouped(next(body + digit for digit in "0123456789" if luhn(body + digit)), value)


def _iban(value: str, number: int) -> str:
    country = value[:2].upper()
    length = len(iban_in(value.upper()) or value.replace(" ", ""))
    account = str(number).rjust(length - 4, "0")
    digits = "".join(str(int(sign, 36)) for sign in f"{account}{country}00")
    return _regrouped(f"{country}{98 - int(digits) % 97:02d}{account}", value)


def _name(_: str, number: int) -> str:
    names = _FIRST if number % 2 else _LAST
    name = names[(number - 1) // 2 % len(names)]
    return name + ("" if number <= 2 * len(names) else str(number))


PSEUDONYMS: Mapping[str, Callable[[str, int], str]] = {
    "email": lambda _, number: f"person{number}@example.com",
    "iban": _iban,
    "card": _card,
    "phone": _phone,
    "social": lambda _, number: f"000-00-{number:04d}",
    "street": lambda value, number: (
        f"Musterstraße {number}" if value[-1].isdigit() and "tra" in value else f"{number} Sample Street"
    ),
    "name": _name,
    "user": lambda _, number: f"user_{number}",
    "zip": _shaped,
    "birth": lambda value, number: f"1980-01-{(number - 1) % 28 + 1:02d}" if _ISO_DATE.match(value) else _shaped(value, number),
    "document": _shaped,
}
"""By kind of data: the pseudonym of a value, with its number among the values of its kind in the conversation."""
