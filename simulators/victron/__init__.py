"""Simulated Victron devices: real encrypted Instant Readout advertisements."""

from .encode import advertise, encode, seal

__all__ = ["advertise", "encode", "seal"]
