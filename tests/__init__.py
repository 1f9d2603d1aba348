"""Tests."""

import pytest

# What fails in there says what it compared, as in a test.
pytest.register_assert_rewrite("tests.kit")
