"""Asks for the keys of Victron devices that cannot be read with the ones they have."""

from collections.abc import Mapping

from homeassistant.config_entries import (
    SOURCE_REAUTH,
    ConfigEntry,
    ConfigFlowContext,
    ConfigSubentry,
)
from homeassistant.const import CONF_ADDRESS
from homeassistant.core import HomeAssistant, callback

from .const import SUBENTRY_VICTRON
from .listener import VictronListener
from .problem import Problem, Problems
from .subentries import subentries_of


class KeyCheck:
    """Knows which keys do not fit, and asks for one at a time."""

    def __init__(
        self, hass: HomeAssistant, entry: ConfigEntry, problems: Problems
    ) -> None:
        """Initialize with the entry that the devices belong to."""
        self._hass = hass
        self._entry = entry
        self._problems = problems
        self.wrong_keys: frozenset[str] = frozenset()
        """Addresses of the devices whose key does not fit what they send."""

    @callback
    def async_check(self, listeners: Mapping[str, VictronListener | None]) -> None:
        """Look at what the listeners know, by subentry; None: its key is unreadable."""
        wrong = []
        for subentry in subentries_of(self._entry, SUBENTRY_VICTRON):
            if subentry.subentry_id not in listeners:
                continue  # it was added just now
            address = subentry.data[CONF_ADDRESS]
            listener = listeners[subentry.subentry_id]
            if listener is None or listener.key_is_wrong:
                wrong.append(subentry)
                self._problems.report(Problem.WRONG_KEY, address, name=subentry.title)
            elif listener.key_is_right:
                self._problems.resolve(Problem.WRONG_KEY, address, name=subentry.title)
        self.wrong_keys = frozenset(subentry.data[CONF_ADDRESS] for subentry in wrong)
        self._ask(wrong)

    @callback
    def _ask(self, wrong: list[ConfigSubentry]) -> None:
        """Ask for the first of these keys, unless one of them is asked for."""
        asked = None
        flows = self._entry.async_get_active_flows(self._hass, {SOURCE_REAUTH})
        for flow in list(flows):
            asked = flow["context"].get("unique_id")
            if asked not in self.wrong_keys and asked != self._entry.unique_id:
                self._hass.config_entries.flow.async_abort(flow["flow_id"])
                asked = None
        if wrong and asked is None:
            address = wrong[0].data[CONF_ADDRESS]
            self._entry.async_start_reauth(
                self._hass,
                # The entry has one unique id, and a key for each device.
                ConfigFlowContext(
                    unique_id=address, title_placeholders={"name": wrong[0].title}
                ),
                {CONF_ADDRESS: address},
            )
