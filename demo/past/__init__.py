"""A week that the demo has already lived, so that its graphs have something to show.

Nothing of it is invented afterwards: Home Assistant starts with its clock set back, the
same simulated devices live through the week, and its recorder writes down what the
integration says meanwhile. Only the time in between is left out.
"""
