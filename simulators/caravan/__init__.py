"""A simulated caravan: its battery, its chargers and their Victron radios.

`identity` needs nothing, `physics` only mathematics, `devices` the table of records;
`scanner` and `radio` bring it into a Home Assistant.
"""
