"""Tests of the simulated caravan."""
