"""A simulated house: roof, heat pump, kitchen, three phases, a meter and a price.

`weather`, `appliances` and `prices` know what a day brings, by seed and date; `physics`
is the house that lives it, with the wallboxes' currents passed in; `meter` is what its
grid meter tells of it. As in `simulators.caravan`, time is passed in, and nothing here
knows Home Assistant or the integration.
"""
