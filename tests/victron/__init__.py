"""Tests of the Victron half, without Home Assistant."""
