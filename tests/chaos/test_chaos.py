"""The chaos test: days of charging with faults of all kinds, in random order and pairs.

By hand: `scripts/chaos 5000`.
"""
