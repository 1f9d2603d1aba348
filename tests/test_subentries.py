"""What was added to the entry, and what of it was edited beyond use."""

from typing import Any

from homeassistant.config_entries import ConfigSubentryData
import pytest
from pytest_homeassistant_custom_component.common import MockConfigEntry

from custom_components.bmw_wallbox_victron.subentries import (
    device_subentries,
    subentries_of,
)

WALLBOX = {"charge_point_id": "DE*BMW*E1", "max_current": 16}
ADDRESS = "F8:5C:11:22:33:44"


def entry_with(*subentries: tuple[str, dict[str, Any]]) -> MockConfigEntry:
    """Give an entry with subentries as they may have been stored."""
    return MockConfigEntry(
        subentries_data=[
            ConfigSubentryData(
                subentry_type=kind, title=str(number), data=data, unique_id=None
            )
            for number, (kind, data) in enumerate(subentries)
        ]
    )


@pytest.mark.parametrize(
    ("data", "counts"),
    [
        (WALLBOX, True),
        (WALLBOX | {"max_current": 16.0}, True),
        (WALLBOX | {"password": "p", "rfid_token": "r", "allowed_tokens": ["a"]}, True),
        (WALLBOX | {"of a later version": None}, True),
        ({}, False),
        ({"max_current": 16}, False),
        ({"charge_point_id": "DE*BMW*E1"}, False),
        (WALLBOX | {"charge_point_id": 17}, False),
        (WALLBOX | {"max_current": "16"}, False),
        (WALLBOX | {"password": 17}, False),
        (WALLBOX | {"rfid_token": None}, False),
        (WALLBOX | {"allowed_tokens": "04AB"}, False),
        (WALLBOX | {"allowed_tokens": [4]}, False),
    ],
)
def test_damaged_wallbox(data: dict[str, Any], counts: bool) -> None:
    """A wallbox counts if its settings are there and are what they should be."""
    entry = entry_with(("wallbox", data), ("wallbox", WALLBOX))
    titles = [each.title for each in subentries_of(entry, "wallbox")]
    assert titles == (["0", "1"] if counts else ["1"])


def test_damaged_devices() -> None:
    """A device counts if it has an address: its key and its model are asked for."""
    entry = entry_with(
        ("bms", {"address": ADDRESS}),
        ("victron_device", {"encryption_key": "00" * 16}),
        ("victron_device", {"address": ADDRESS, "encryption_key": 17}),
        ("bms", {"address": None, "model": "jbd_bms"}),
        ("wallbox", WALLBOX),
        ("of a later version", {"address": ADDRESS}),
    )
    assert [each.title for each in device_subentries(entry)] == ["2", "0"]
