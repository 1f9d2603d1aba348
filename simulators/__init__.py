"""Devices that speak the real protocols: tests and demo stand on them."""
