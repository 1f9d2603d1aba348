"""Tests of the wallbox half, without Home Assistant."""
