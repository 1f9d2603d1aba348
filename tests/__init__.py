"""Tests."""

import os

from hypothesis import settings
import pytest

# What fails in there says what it compared, as in a test.
pytest.register_assert_rewrite("tests.kit")

# Property-based tests: some examples at each run of the gate, many each week. Before
# anything imports hypothesis' default.
settings.register_profile("gate", max_examples=30, deadline=None)
settings.register_profile(
    "thorough", max_examples=300, deadline=None, derandomize=False
)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "gate"))
