"""scripts/newcomer: the way of somebody who has just installed the integration.

From a Home Assistant with nothing but the integration's folder to an alert that fires,
in a browser, by clicks and typing. What happens outside of the pages (the wallbox is
told its server, the battery is emptied) happens to the simulated ones.
"""
