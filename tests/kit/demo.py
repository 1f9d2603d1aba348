"""The demo's rigs in a Home Assistant whose time is ours."""

import time
from typing import Any

from homeassistant.components import bluetooth
from homeassistant.const import Platform
from homeassistant.core import HomeAssistant
from homeassistant.setup import async_setup_component
import pytest
from pytest_homeassistant_custom_component.common import (
    MockModule,
    MockPlatform,
    mock_integration,
    mock_platform,
)

from demo import radio
from demo.layout import RADIO_DOMAIN
from demo.radio import number, sensor, switch

_PLATFORMS = {
    Platform.NUMBER: number.async_setup_platform,
    Platform.SWITCH: switch.async_setup_platform,
    Platform.SENSOR: sensor.async_setup_platform,
}


async def put_on_the_air(
    hass: HomeAssistant, monkeypatch: pytest.MonkeyPatch, **settings: Any
) -> None:
    """Set up the demo's radio, whose devices are heard from then on."""
    monkeypatch.setattr(bluetooth, "MONOTONIC_TIME", time.monotonic)
    monkeypatch.setattr(radio, "MONOTONIC_TIME", time.monotonic)
    mock_integration(hass, MockModule(RADIO_DOMAIN, async_setup=radio.async_setup))
    for platform, async_setup_platform in _PLATFORMS.items():
        mock_platform(
            hass,
            f"{RADIO_DOMAIN}.{platform}",
            MockPlatform(async_setup_platform=async_setup_platform),
        )
    config = radio.CONFIG_SCHEMA({RADIO_DOMAIN: settings})
    assert await async_setup_component(hass, RADIO_DOMAIN, config)
