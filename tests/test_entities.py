"""The entities of a site with each kind of device, beside those that 0.1.0 had.

Dashboards, automations and the history stand on entity ids and unique ids: they are
the same for ever.
"""

import json
from pathlib import Path
from typing import Any, Final

from homeassistant.config_entries import ConfigSubentryDataWithId
from homeassistant.core import HomeAssistant
from homeassistant.helpers import entity_registry as er
from pytest_homeassistant_custom_component.common import MockConfigEntry

from custom_components.bmw_wallbox_victron.const import DOMAIN, NAME
from custom_components.bmw_wallbox_victron.victron.records import Kind
from simulators import pki

#: As 0.1.0 stored it, and the entities that it made of that.
OF_0_1_0: Final = json.loads(
    (Path(__file__).parent / "data" / "site_0_1_0.json").read_text(encoding="utf-8")
)


def _subentries() -> list[ConfigSubentryDataWithId]:
    """Return a wallbox, a device of each Victron kind, and a BMS."""
    devices = [
        ConfigSubentryDataWithId(
            subentry_type="victron_device",
            subentry_id=f"01{kind}",
            title=kind.replace("_", " ").capitalize(),
            data={
                "address": f"F8:5C:00:00:01:{number:02X}",
                "encryption_key": f"{number:032x}",
            },
            unique_id=f"F8:5C:00:00:01:{number:02X}",
        )
        for number, kind in enumerate(Kind, 1)
    ]
    return [
        ConfigSubentryDataWithId(
            subentry_type="wallbox",
            subentry_id="01wallbox",
            title="BMW Wallbox",
            data={"charge_point_id": "DE*BMW*E1", "max_current": 16},
            unique_id="DE*BMW*E1",
        ),
        *devices,
        ConfigSubentryDataWithId(
            subentry_type="bms",
            subentry_id="01bms",
            title="House battery",
            data={"address": "A4:C1:37:00:11:22", "model": "jbd_bms"},
            unique_id="A4:C1:37:00:11:22",
        ),
    ]


async def test_entities_of_0_1_0(
    hass: HomeAssistant,
    hass_storage: dict[str, Any],
    pki_files: pki.Files,
    unused_tcp_port: int,
) -> None:
    """What 0.1.0 stored becomes the entities that it became then."""
    entry = MockConfigEntry(
        domain=DOMAIN,
        title=NAME,
        unique_id=DOMAIN,
        data={
            "host": "127.0.0.1",
            "port": unused_tcp_port,
            "ssl_cert": str(pki_files.certificate),
            "ssl_key": str(pki_files.key),
        },
        subentries_data=_subentries(),
    )
    entry.add_to_hass(hass)
    key = f"{DOMAIN}.{entry.entry_id}"
    hass_storage[key] = OF_0_1_0["store"] | {"key": key}
    assert await hass.config_entries.async_setup(entry.entry_id)
    await hass.async_block_till_done()
    entities = er.async_entries_for_config_entry(er.async_get(hass), entry.entry_id)
    found = {
        entity.entity_id: [
            entity.unique_id,
            entity.translation_key,
            entity.entity_category,
            entity.disabled_by,
            entity.original_device_class,
            entity.unit_of_measurement,
        ]
        for entity in entities
    }
    assert {each: found.get(each) for each in OF_0_1_0["entities"]} == OF_0_1_0[
        "entities"
    ]
    await hass.config_entries.async_unload(entry.entry_id)
