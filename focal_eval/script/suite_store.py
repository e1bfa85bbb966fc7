"""`store`: where the runs of a suite are kept for their history."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

from focal_eval.document import Reader, Shape
from focal_eval.document.reader import Node
from focal_eval.document.shape import JsonSchema, SchemaBuilder, Text
from focal_eval.registry import did_you_mean, names

_SPELT = {"postgres": "postgresql"}


class StoreShape(Shape):
    """A path, or a URL without a password: suites are committed."""

    expected = "a file such as ../reports/store.sqlite, or a postgresql:// URL"

    def read(self, node: Node, reader: Reader) -> Any:
        text = Text(may_be_empty=False).read(node, reader)
        if not isinstance(text, str) or "://" not in text:
            return text
        scheme = text.partition("://")[0].casefold()
        if _SPELT.get(scheme, scheme) not in names("stores"):
            fix = did_you_mean(scheme, names("stores"))
            return reader.error("bad-value", f"no store is reached by '{scheme}://'", node, help=fix)
        try:
            parts = urlsplit(text)
            secret = parts.password is not None or "password=" in parts.query
        except ValueError as problem:
            return reader.error("bad-value", f"the store's URL cannot be read: {problem}", node)
        if secret:
            fix = "leave the password to PGPASSWORD or ~/.pgpass, or the whole URL to FOCAL_EVAL_STORE"
            return reader.error("store-password", "a suite is no place for a password", node, help=fix)
        return text

    def schema(self, into: SchemaBuilder) -> JsonSchema:
        return {"type": "string", "minLength": 1}
