"""Scripts, suites and agents in an editor: a language server over standard input and output."""

__all__: list[str] = []
