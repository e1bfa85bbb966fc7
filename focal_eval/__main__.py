"""`python -m focal_eval`."""

import sys

from focal_eval.cli.main import main

if __name__ == "__main__":
    sys.exit(main())
