"""Tests of the charging rules."""
