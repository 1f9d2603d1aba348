"""What onboarding would ask for, written with Home Assistant's own code.

Everything here can be done again at every start: what is there stays, but the login
works, the ports are those that were asked for, and the wallbox is set up, where that is
wished.
"""

import asyncio
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Final, cast

from homeassistant.auth import AuthManager, auth_manager_from_config
from homeassistant.auth.const import GROUP_ID_ADMIN
from homeassistant.auth.providers.homeassistant import HassAuthProvider, InvalidAuth
from homeassistant.components.http.config import HTTP_STORAGE_SCHEMA, HTTPConfigStore
from homeassistant.components.onboarding import (
    STEPS,
    STORAGE_KEY as ONBOARDING_KEY,
    STORAGE_VERSION as ONBOARDING_VERSION,
    OnboardingStorage,
)
from homeassistant.config_entries import (
    SOURCE_USER,
    ConfigEntries,
    ConfigEntry,
    ConfigEntryStore,
    ConfigSubentryData,
)
from homeassistant.core import HomeAssistant
from homeassistant.helpers import (
    device_registry as dr,
    entity_registry as er,
    issue_registry as ir,
)
from homeassistant.helpers.storage import Store
from homeassistant.util import dt as dt_util

from .layout import (
    CHARGE_POINT_ID,
    DOMAIN,
    HOUSE_CURRENTS,
    HOUSE_FUSE_A,
    HOUSE_GRID,
    HOUSE_PRICE,
    HOUSE_WIRING,
    LOOPBACK,
    PASSWORD,
    USER,
    USUAL,
    WALLBOX_PASSWORD,
    Layout,
    WallboxSettings,
)
from .rigs import CARAVAN, Rig

_HOME = MappingProxyType(
    {
        "location_name": "Demo",
        "latitude": 48.1374,
        "longitude": 11.5755,
        "elevation": 519,
        "unit_system": "metric",
        "time_zone": "Europe/Berlin",
        "country": "DE",
        "currency": "EUR",
        "language": "en",
    }
)


HOUSE_OPTIONS: Final = MappingProxyType(
    {
        "grid_power": HOUSE_GRID,
        **{f"house_current_l{each}": HOUSE_CURRENTS[each - 1] for each in (1, 2, 3)},
        "main_fuse": HOUSE_FUSE_A,
        "phase_order": HOUSE_WIRING,
        "price": HOUSE_PRICE,
        "feed_in_price": 0.08,
    }
)
"""What its owner has set of the house, in the options' step `charging`."""


async def seed(
    layout: Layout,
    *,
    port: int,
    ocpp_port: int | None,
    rig: Rig = CARAVAN,
    added: bool = False,
    house: bool = False,
    wallbox: WallboxSettings = USUAL,
) -> None:
    """Prepare the storage for a start. Nothing else may use the folder meanwhile.

    Without an `ocpp_port` the integration is only there, and nothing is set up with it.
    With `added` a new entry has the devices of the rig as well, with `house` the meters
    of the house.
    """
    hass = HomeAssistant(str(layout.config))
    try:
        await ir.async_load(hass)
        await _seed_home(hass)
        await _seed_http(hass, port)
        if ocpp_port is not None:
            await _seed_entry(
                hass,
                server_settings(layout, ocpp_port),
                rig,
                told=layout.plugged.exists(),
                added=added,
                house=house,
                wallbox=wallbox,
            )
        await _seed_login(hass)
        onboarding = OnboardingStorage(
            hass, ONBOARDING_VERSION, ONBOARDING_KEY, private=True
        )
        await onboarding.async_save({"done": list(STEPS)})
    finally:
        # Writes what is written with a delay. Only force stops what never started.
        await hass.async_stop(force=True)
    if ocpp_port is not None:
        layout.folder.mkdir(parents=True, exist_ok=True)
        layout.plugged.touch()


async def _seed_home(hass: HomeAssistant) -> None:
    """Set where home is, once."""
    await hass.config.async_load()
    if hass.config.country is None:
        await hass.config.async_update(**_HOME)


async def _seed_http(hass: HomeAssistant, port: int) -> None:
    """Let the web server listen on loopback only.

    A setting in YAML would count for five minutes, as a trial.
    """
    store = HTTPConfigStore(hass)
    settings = HTTP_STORAGE_SCHEMA({"server_host": [LOOPBACK], "server_port": port})
    # A trial that somebody began in the settings ends here.
    await store.async_set_pending(None)
    await store.async_set_pending(settings)
    if store.pending is not None:
        await store.async_promote_pending()
    await store.async_mark_yaml_migration_done()


async def _seed_login(hass: HomeAssistant) -> None:
    """Make the user, or give it back the password that the demo tells."""
    # The store of users asks the registries.
    hass.config_entries = ConfigEntries(hass, {})
    await hass.config_entries.async_initialize()
    dr.async_setup(hass)
    await asyncio.gather(dr.async_load(hass), er.async_load(hass))
    auth: AuthManager = await auth_manager_from_config(
        hass, [{"type": "homeassistant"}], []
    )
    provider = cast(HassAuthProvider, auth.auth_providers[0])
    await provider.async_initialize()
    try:
        await provider.async_validate_login(USER, PASSWORD)
    except InvalidAuth:
        if provider.data is not None and any(
            user["username"] == USER for user in provider.data.users
        ):
            await provider.async_change_password(USER, PASSWORD)
        else:
            await provider.async_add_auth(USER, PASSWORD)
    credentials = await provider.async_get_or_create_credentials({"username": USER})
    if await auth.async_get_user_by_credentials(credentials) is None:
        user = await auth.async_create_user("Demo", group_ids=[GROUP_ID_ADMIN])
        await auth.async_link_user(user, credentials)


def server_settings(layout: Layout, ocpp_port: int) -> dict[str, Any]:
    """Return the settings of the server that the wallbox connects to."""
    return {
        "host": LOOPBACK,
        "port": ocpp_port,
        "ssl_cert": str(layout.tls.certificate),
        "ssl_key": str(layout.tls.key),
    }


def _new_entry(
    server: Mapping[str, Any],
    rig: Rig,
    *,
    added: bool,
    house: bool,
    wallbox: WallboxSettings,
) -> ConfigEntry:
    """Make the entry as the config flow makes it."""
    return ConfigEntry(
        data=dict(server),
        discovery_keys=MappingProxyType({}),
        domain=DOMAIN,
        minor_version=1,
        options={
            "meter_interval": wallbox.meter_interval,
            **rig.options,
            **(HOUSE_OPTIONS if house else {}),
        },
        source=SOURCE_USER,
        subentries_data=[
            ConfigSubentryData(
                subentry_type="wallbox",
                title="BMW Wallbox",
                data={
                    "charge_point_id": CHARGE_POINT_ID,
                    "max_current": wallbox.max_current,
                    "password": WALLBOX_PASSWORD,
                },
                unique_id=CHARGE_POINT_ID,
            ),
            *(subentries(rig) if added else ()),
        ],
        title="BMW Wallbox & Victron",
        unique_id=DOMAIN,
        version=1,
    )


def _subentry(kind: str, title: str, **data: str) -> ConfigSubentryData:
    """Make the subentry of a device, as its flow makes it."""
    return ConfigSubentryData(
        subentry_type=kind, title=title, data=data, unique_id=data["address"]
    )


def subentries(rig: Rig) -> list[ConfigSubentryData]:
    """Make the subentries of a rig's devices."""
    return [
        *(
            _subentry(
                "victron_device",
                each.name,
                address=each.address,
                encryption_key=each.key.hex(),
            )
            for each in rig.devices
        ),
        *(
            _subentry("bms", each.name, address=each.address, model=each.model)
            for each in rig.packs
        ),
    ]


async def _seed_entry(
    hass: HomeAssistant,
    server: Mapping[str, Any],
    rig: Rig,
    *,
    told: bool,
    added: bool,
    house: bool,
    wallbox: WallboxSettings,
) -> None:
    """Add our config entry, or tell the one that is there about this start's ports.

    And about the plug, if it was not `told` and its user named no other one.
    """
    store = ConfigEntryStore(hass)
    stored = await store.async_load() or {"entries": []}
    for entry in stored["entries"]:
        if entry["domain"] == DOMAIN:
            entry["data"] = {**entry["data"], **server}
            if not told and not rig.options.keys() & entry["options"]:
                entry["options"] = {**entry["options"], **rig.options}
            for subentry in entry["subentries"]:
                if subentry["unique_id"] == CHARGE_POINT_ID:
                    # The simulated wallbox knows no other one.
                    subentry["data"]["password"] = WALLBOX_PASSWORD
                    break
            else:
                new = _new_entry(server, rig, added=False, house=house, wallbox=wallbox)
                entry["subentries"].extend(new.as_dict()["subentries"])
            break
    else:
        new = _new_entry(server, rig, added=added, house=house, wallbox=wallbox)
        stored["entries"].append(new.as_dict())
        if rig.totals is not None:
            # As the integration stores what it has counted.
            counted = Store[dict[str, Any]](
                hass, 1, f"{DOMAIN}.{new.entry_id}.battery", private=True
            )
            await counted.async_save(rig.totals(dt_util.utcnow()))
    await store.async_save(stored)
