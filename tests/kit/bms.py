"""The BMS of the tests, and those of others."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from importlib.metadata import version
from typing import Any, cast

from custom_components.bmw_wallbox_victron.bms_model import BmsSample

#: Whether aiobmsble says more of what a BMS tells, such as where its probes are.
SAYS_MORE = tuple(map(int, version("aiobmsble").split(".")[:2])) >= (0, 31)

ADDRESS = "A4:C1:37:00:11:22"


@dataclass(frozen=True)
class RecordedProbe:
    """A temperature probe of a sample in the diagnostics."""

    value: float
    type: int


def replayed(records: Iterable[Mapping[str, Any]]) -> list[tuple[float, BmsSample]]:
    """Make the samples of a BMS's `records` in the diagnostics, with when each came, s.

    What the BMS sent to have them read is not among them: that is aiobmsble's part.
    """
    found: list[tuple[float, BmsSample]] = []
    for each in records:
        sample = dict(each["sample"])
        if probes := sample.get("temp_values"):
            sample["temp_values"] = [RecordedProbe(**probe) for probe in probes]
        found.append((each["at"], cast(BmsSample, sample)))
    return found
