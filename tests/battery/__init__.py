"""Tests of the battery's rules."""
