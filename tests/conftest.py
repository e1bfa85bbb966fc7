"""What holds for all tests: nothing is written into the home of whoever runs them."""

import os

os.environ["FOCAL_EVAL_CACHE"] = "off"
