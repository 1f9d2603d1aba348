"""The BMS of the tests."""

from importlib.metadata import version

#: Whether aiobmsble says more of what a BMS tells, such as where its probes are.
SAYS_MORE = tuple(map(int, version("aiobmsble").split(".")[:2])) >= (0, 31)

ADDRESS = "A4:C1:37:00:11:22"
