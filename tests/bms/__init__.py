"""Tests of the BMS, against simulated ones."""
