"""A template, checked by Jinja2's parser when it is made, and filled: by a plan where all goes well, else in the sandbox."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from contextlib import suppress
from functools import lru_cache
from typing import Any

from focal_eval.registry import did_you_mean
from focal_eval.template.plain import Compute, Plan, Unusual

MAX_TEMPLATE = 20_000  # characters
MAX_RENDERED = 200_000
MAX_JOINED = 64  # operands of `~` and `+` in one template
MAX_DIGITS = 15  # of `round`


class TemplateProblem(ValueError):
    """The text is not a template that can be used; `offset` counts its characters, `help` is a way out."""

    def __init__(self, message: str, offset: int = 0, help: str | None = None) -> None:
        super().__init__(message)
        self.offset, self.help = offset, help


class UndefinedName(TemplateProblem):
    """A name has no value when the template is filled."""

    def __init__(self, name: str) -> None:
        super().__init__(f"'{name}' is not defined")
        self.name = name


def has_template(text: str) -> bool:
    """Whether a text holds something Jinja2 would read."""
    return "{{" in text or "{%" in text or "{#" in text


def _fixed(value: Any, digits: int = 2) -> str:
    """A number with so many digits after the point: `{{ total | fixed }}` is 18.50."""
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 <= digits <= 9:
        raise ValueError(f"'fixed' takes a number and 0 to 9 digits, not {value!s:.40}")  # an undefined name raises here
    return f"{value:.{digits}f}"


@lru_cache(maxsize=1)
def _environment() -> Any:
    from jinja2 import StrictUndefined
    from jinja2.exceptions import SecurityError
    from jinja2.filters import do_round
    from jinja2.sandbox import ImmutableSandboxedEnvironment

    class Sandbox(ImmutableSandboxedEnvironment):
        intercepted_binops = frozenset({"*", "**", "%"})

        def call_binop(self, context: Any, operator: str, left: Any, right: Any) -> Any:
            numbers = all(isinstance(side, (int, float)) and abs(side) < 1e15 for side in (left, right))
            if operator == "**" or not numbers:
                raise SecurityError(f"'{operator}' is not allowed here")
            return super().call_binop(context, operator, left, right)

    env = Sandbox(undefined=StrictUndefined, autoescape=False, keep_trailing_newline=True, cache_size=0)
    kept = {"upper", "lower", "title", "capitalize", "trim", "replace", "round", "int", "float", "abs", "length", "first",
            "last", "join", "default", "string", "sort", "sum", "min", "max", "unique", "tojson"}  # fmt: skip
    env.filters = {name: call for name, call in env.filters.items() if name in kept} | {"fixed": _fixed}
    env.filters |= {
        "replace": _replace,
        "join": _join,
        "tojson": _json,
    }  # a chain of Jinja2's own multiplies a short text to gigabytes
    env.filters["round"] = lambda value, precision=0, method="common": do_round(value, _digits(precision), method)
    env.globals = {}
    return env


def _replace(value: Any, old: Any, new: Any, count: int | None = None) -> str:
    """Jinja2's `replace`, refused where the result would be too long."""
    text, before, after = str(value), str(old), str(new)
    times = text.count(before) if count is None else min(count, text.count(before))
    if len(text) + times * (len(after) - len(before)) > MAX_RENDERED:
        raise TemplateProblem(_TOO_LONG)
    return text.replace(before, after, times)


def _join(items: Any, between: Any = "") -> str:
    """Jinja2's `join` without its `attribute`, refused where the result would be too long."""
    parts = [str(item) for item in items]
    separator = str(between)
    if sum(map(len, parts)) + len(separator) * len(parts) > MAX_RENDERED:
        raise TemplateProblem(_TOO_LONG)
    return separator.join(parts)


def _json(value: Any) -> str:
    """Jinja2's `tojson` without `indent`, which may be a billion."""
    from jinja2.utils import htmlsafe_json_dumps

    return htmlsafe_json_dumps(value)


def _digits(precision: int) -> int:
    if type(precision) is not int or abs(precision) > MAX_DIGITS:
        raise TemplateProblem(f"'round' takes up to {MAX_DIGITS} digits")
    return precision


_TOO_LONG = f"the filled text is longer than {MAX_RENDERED} characters"


class Template:
    """A compiled template; `names` are the names it needs from outside."""

    __slots__ = ("_expression", "_pieces", "_plan", "_single", "names", "text")

    def __init__(self, text: str) -> None:
        from jinja2 import nodes
        from jinja2.exceptions import TemplateError

        if len(text) > MAX_TEMPLATE:
            raise TemplateProblem(f"a template is longer than {MAX_TEMPLATE} characters")
        env = _environment()
        self.text = text
        self._expression: Any = None
        self._pieces: Any = None
        self._plan: list[Compute] = []
        try:
            tree = env.parse(text)
            self._check(tree, nodes)
            parts = [part for output in tree.body for part in output.nodes]
            self._single = len(tree.body) == 1 and len(parts) == 1 and not isinstance(parts[0], nodes.TemplateData)
            self.names: frozenset[str] = self._planned(env, parts) or self._compiled(env, tree)
        except TemplateError as problem:  # beside its syntax what Jinja2 finds wrong in parts that never change
            said, advice = _in_words(str(problem.message or problem))
            raise TemplateProblem(said, _offset(text, getattr(problem, "lineno", None)), advice) from None
        except (RecursionError, MemoryError, OverflowError, SyntaxError):
            raise TemplateProblem("the template is too deeply nested") from None
        except TemplateProblem:
            raise
        except (TypeError, ValueError, ArithmeticError, LookupError) as problem:  # the same parts, computed
            raise TemplateProblem(str(problem) or type(problem).__name__) from None

    def _planned(self, env: Any, parts: list[Any]) -> frozenset[str]:
        """The names of a template that is computed by a plan; none where it is not, or reads none."""
        whole = self.text.strip()
        if self._single and not (whole[:2] == "{{" and whole[2] not in "+-" and whole[-3] not in "+-"):
            return frozenset()  # Jinja2 reads what stands between the braces once more
        plan = Plan(env)
        try:
            self._plan = [plan.of(part) for part in parts]
        except Unusual:
            return frozenset()
        return frozenset(plan.names)

    def _compiled(self, env: Any, tree: Any = None) -> frozenset[str]:
        """Has Jinja2 write its code for the template; the names it reads."""
        from jinja2.meta import find_undeclared_variables

        tree = env.parse(self.text) if tree is None else tree
        if self._single:
            self._expression = env.compile_expression(self.text.strip()[2:-2], undefined_to_none=False)
        else:
            self._pieces = env.from_string(tree).generate
        return frozenset(find_undeclared_variables(tree))

    @staticmethod
    def _check(tree: Any, nodes: Any) -> None:
        allowed = (nodes.Output, nodes.TemplateData)
        for part in tree.body:
            if not isinstance(part, allowed):
                raise TemplateProblem("only {{ expressions }} are read here, not {% statements %}")
        if any(True for _ in tree.find_all((nodes.Call, nodes.CallBlock))):
            raise TemplateProblem("calls are not read here; use a filter such as {{ name | upper }}")
        joined = sum(len(part.nodes) for part in tree.find_all(nodes.Concat)) + sum(1 for _ in tree.find_all(nodes.Add))
        if joined > MAX_JOINED:
            raise TemplateProblem(f"'~' and '+' join more than {MAX_JOINED} values")

    def fill(self, values: Mapping[str, Any]) -> Any:
        """The value: the expression's own where the text is one expression, else text.

        Raises UndefinedName for a missing name and TemplateProblem for anything else that goes wrong.
        """
        if self._plan:
            with suppress(Exception):  # whatever it is, the sandbox says it in its own words, or knows a value after all
                return self._plan[0](values) if self._single else _joined(str(part(values)) for part in self._plan)
        return self._filled(values)

    def _filled(self, values: Mapping[str, Any]) -> Any:
        """The same by Jinja2's own code."""
        from jinja2 import Undefined
        from jinja2.exceptions import TemplateError, UndefinedError

        try:
            if self._expression is None and self._pieces is None:
                self._compiled(_environment())
            if self._expression is not None:
                value = self._expression(values)
                if isinstance(value, Undefined):
                    raise UndefinedName(value._undefined_name or self.text)
                return value
            return _joined(self._pieces(values))
        except UndefinedError as problem:
            missing = next((name for name in sorted(self.names) if name not in values), None)
            if missing is None:
                raise TemplateProblem(str(problem.message or problem)) from None
            raise UndefinedName(missing) from None
        except TemplateProblem:
            raise
        except (TemplateError, TypeError, ValueError, ArithmeticError, LookupError, RecursionError, MemoryError) as problem:
            raise TemplateProblem(str(problem) or type(problem).__name__) from None


def _joined(parts: Iterable[str]) -> str:
    """The text, put together piece by piece so that an overlong one is never held."""
    pieces, length = [], 0
    for piece in parts:
        length += len(piece)
        if length > MAX_RENDERED:
            raise TemplateProblem(_TOO_LONG)
        pieces.append(piece)
    return "".join(pieces)


def _in_words(said: str) -> tuple[str, str | None]:
    """Jinja2's complaint as an author of scripts understands it, and a way out."""
    if "unexpected end of template" in said:
        return "'{{' is never closed", "close it with '}}'"
    if said.startswith("No filter named '"):
        name = said.split("'")[1]
        return f"no filter is named '{name}'", did_you_mean(name, _environment().filters, list_up_to=0)
    return said.rstrip("."), None


def _offset(text: str, line: int | None) -> int:
    return sum(len(part) + 1 for part in text.split("\n")[: (line or 1) - 1])


@lru_cache(maxsize=8192)
def compile_template(text: str) -> Template:
    """The template, cached. Raises TemplateProblem."""
    return Template(text)
