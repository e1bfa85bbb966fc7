"""What holds for all tests: nothing is written into the home of whoever runs them."""

import os

pytest_plugins = ["pytester"]

os.environ["FOCAL_EVAL_CACHE"] = "off"
