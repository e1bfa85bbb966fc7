"""`{{ }}` in scripts and agent files: Jinja2 expressions in its sandbox, without statements, loops or big numbers.

A text that is exactly one `{{ expression }}` gives the expression's own value (a number stays a number); any other text is
rendered to text. Statements (`{% %}`) are refused: a template cannot loop.
"""

from focal_eval.template.compiled import (
    MAX_DIGITS,
    MAX_JOINED,
    MAX_RENDERED,
    MAX_TEMPLATE,
    Template,
    TemplateProblem,
    UndefinedName,
    compile_template,
    has_template,
)

__all__ = [
    "MAX_DIGITS",
    "MAX_JOINED",
    "MAX_RENDERED",
    "MAX_TEMPLATE",
    "Template",
    "TemplateProblem",
    "UndefinedName",
    "compile_template",
    "has_template",
]
