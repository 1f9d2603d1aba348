"""A simulated boat: a MultiPlus, a solar charger and two packs with a BMS, no shunt.

As in `simulators.caravan`, `identity` needs nothing, `physics` only mathematics, and
`devices` what Victron's devices and BMSs send.
"""
