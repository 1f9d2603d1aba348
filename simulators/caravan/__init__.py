"""A simulated caravan: its battery, its chargers and their Victron radios.

`identity` needs nothing, `physics` only mathematics, `devices` the records of
`simulators.victron`; `scanner` brings them into a Home Assistant.
"""
