"""`python -m focal_eval`."""

from focal_eval.cli.main import command

if __name__ == "__main__":
    command()
