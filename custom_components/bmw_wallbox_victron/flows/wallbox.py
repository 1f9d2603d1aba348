"""A wallbox, after the server that it connects to: form, check and steps."""

from collections.abc import Mapping, Sequence
from typing import Any, Final
from urllib.parse import unquote

from homeassistant.config_entries import (
    ConfigEntry,
    ConfigSubentry,
    ConfigSubentryData,
    SubentryFlowResult,
)
from homeassistant.const import CONF_PASSWORD
from homeassistant.core import HomeAssistant, callback
from homeassistant.data_entry_flow import FlowResult
from homeassistant.helpers.selector import (
    TextSelector,
    TextSelectorConfig,
    TextSelectorType,
)
import voluptuous as vol

from ..const import (
    BATTERY_DEVICE,
    CONF_ALLOWED_TOKENS,
    CONF_CHARGE_POINT_ID,
    CONF_MAX_CURRENT,
    CONF_RFID_TOKEN,
    CONF_SSL_CERT,
    DEFAULT_MAX_CURRENT,
    MAX_CURRENT,
    MIN_CURRENT,
    SERVER_DEVICE,
    SUBENTRY_WALLBOX,
)
from ..subentries import subentries_of
from ..wallbox.cards import card_key, read_card
from ..wallbox.central_system import is_identity
from .base import (
    SiteFlow,
    SiteSubentryFlow,
    async_add_subentry,
    taken_ids,
    whole_number,
)
from .server import (
    SERVER_SCHEMA,
    async_change_server,
    async_check_server,
    async_server_prospect,
    clean_server,
)
from .stale_form import form_values, merged

#: Identifiers of devices that are no wallboxes.
_RESERVED: Final = frozenset({SERVER_DEVICE, BATTERY_DEVICE})
#: The title of the first wallbox, and so its device's name.
_TITLE: Final = "BMW Wallbox"

MAX_CURRENT_FIELD: Final[dict[vol.Marker, Any]] = {
    vol.Required(CONF_MAX_CURRENT, default=DEFAULT_MAX_CURRENT): whole_number(
        MIN_CURRENT, MAX_CURRENT, "A"
    )
}
WALLBOX_SCHEMA: Final = vol.Schema(
    {
        vol.Required(CONF_CHARGE_POINT_ID): TextSelector(),
        vol.Optional(CONF_PASSWORD): TextSelector(
            TextSelectorConfig(type=TextSelectorType.PASSWORD)
        ),
        vol.Optional(CONF_RFID_TOKEN): TextSelector(),
        vol.Optional(CONF_ALLOWED_TOKENS): TextSelector(
            TextSelectorConfig(multiple=True)
        ),
        **MAX_CURRENT_FIELD,
    }
)


class WallboxSteps[ResultT: FlowResult[Any, Any]](SiteFlow[ResultT]):
    """The steps that add a wallbox."""

    _typed_server: Mapping[str, Any] | None = None
    """The server that was typed, where there was none."""

    async def async_step_server(
        self, user_input: dict[str, Any] | None = None
    ) -> ResultT:
        """Ask where the server listens, and with which certificate."""
        errors: dict[str, str] = {}
        if user_input is not None:
            server = clean_server(user_input)
            errors = await async_check_server(self.hass, server, self._entry)
            if not errors:
                self._typed_server = server
                return await self.async_step_wallbox()
        return self.async_show_form(
            step_id="server",
            data_schema=self.add_suggested_values_to_schema(SERVER_SCHEMA, user_input),
            errors=errors,
            last_step=False,
        )

    async def async_step_wallbox(
        self, user_input: dict[str, Any] | None = None
    ) -> ResultT:
        """Ask for a wallbox, after the server if there is none yet."""
        server = self._typed_server
        if (entry := self._entry) is not None and CONF_SSL_CERT in entry.data:
            # Also if it was set up in another window meanwhile: that one stays.
            server = entry.data
        if server is None:
            return await self.async_step_server()
        errors: dict[str, str] = {}
        if user_input is not None:
            wallbox = _clean_wallbox(user_input)
            prospect = await async_server_prospect(self.hass, server, entry)
            entry = self._entry  # it may have been added meanwhile
            errors = _check_wallbox(wallbox, entry)
            if not errors:
                if entry is not None and CONF_SSL_CERT not in entry.data:
                    async_change_server(self.hass, entry, server)
                hint = {
                    "url": prospect.url,
                    CONF_CHARGE_POINT_ID: wallbox[CONF_CHARGE_POINT_ID],
                }
                trusted = prospect.objection is None
                return await self._async_add(
                    _subentry(wallbox, entry),
                    description="wallbox" if trusted else "wallbox_untrusted",
                    placeholders=hint
                    if prospect.objection is None
                    else hint | {"reason": prospect.objection},
                )
        return self.async_show_form(
            step_id="wallbox",
            data_schema=self.add_suggested_values_to_schema(WALLBOX_SCHEMA, user_input),
            errors=errors,
            last_step=True,
        )


class WallboxSubentryFlow(WallboxSteps[SubentryFlowResult], SiteSubentryFlow):
    """Handle a subentry flow, which adds a wallbox or changes it."""

    async_step_user = WallboxSteps[SubentryFlowResult].async_step_wallbox

    async def async_step_reconfigure(
        self, user_input: dict[str, Any] | None = None
    ) -> SubentryFlowResult:
        """Change the wallbox."""
        subentry = self._get_reconfigure_subentry()
        errors: dict[str, str] = {}
        if user_input is None:
            self._opened = form_values(subentry.data, WALLBOX_SCHEMA)
        else:
            wallbox = merged(self._opened, _clean_wallbox(user_input), subentry.data)
            errors = _check_wallbox(wallbox, self._entry, subentry)
            if not errors:
                return self._change(subentry, wallbox)
        prospect = await async_server_prospect(self.hass, self._entry.data, self._entry)
        return self.async_show_form(
            step_id="reconfigure",
            data_schema=self.add_suggested_values_to_schema(
                WALLBOX_SCHEMA, user_input or subentry.data
            ),
            description_placeholders={"url": prospect.url},
            errors=errors,
        )


@callback
def async_add_wallbox(
    hass: HomeAssistant, entry: ConfigEntry, user_input: Mapping[str, Any]
) -> dict[str, str]:
    """Add a wallbox to an entry that has a server; return errors."""
    wallbox = _clean_wallbox(user_input)
    errors = _check_wallbox(wallbox, entry)
    if not errors:
        async_add_subentry(hass, entry, _subentry(wallbox, entry))
    return errors


def _clean_wallbox(user_input: Mapping[str, Any]) -> dict[str, Any]:
    """Return what was typed, without stray blanks; an id may be copied from a URL."""
    tokens = [token.strip() for token in user_input.get(CONF_ALLOWED_TOKENS, ())]
    optional = {
        CONF_PASSWORD: user_input.get(CONF_PASSWORD),
        CONF_RFID_TOKEN: user_input.get(CONF_RFID_TOKEN, "").strip(),
        CONF_ALLOWED_TOKENS: [token for token in tokens if token],
    }
    return {
        CONF_CHARGE_POINT_ID: unquote(user_input[CONF_CHARGE_POINT_ID].strip()),
        CONF_MAX_CURRENT: user_input[CONF_MAX_CURRENT],
    } | {key: value for key, value in optional.items() if value}


def _check_wallbox(
    wallbox: Mapping[str, Any],
    entry: ConfigEntry | None,
    this: ConfigSubentry | None = None,
) -> dict[str, str]:
    """Return what is wrong with a wallbox's settings, given the others of the entry."""
    charge_point_id = wallbox[CONF_CHARGE_POINT_ID]
    if not is_identity(charge_point_id) or charge_point_id in _RESERVED:
        return {CONF_CHARGE_POINT_ID: "invalid_charge_point_id"}
    taken = {
        each.casefold() for each in taken_ids(entry, SUBENTRY_WALLBOX, except_for=this)
    }
    if charge_point_id.casefold() in taken:
        return {CONF_CHARGE_POINT_ID: "already_configured"}
    stored = () if this is None else this.data.get(CONF_ALLOWED_TOKENS, ())
    if error := _check_cards(wallbox.get(CONF_ALLOWED_TOKENS, ()), stored):
        return {CONF_ALLOWED_TOKENS: error}
    return {}


def _check_cards(lines: Sequence[str], stored: Sequence[str]) -> str | None:
    """Return what is wrong with cards; what was stored before may stay."""
    names: dict[str, str | None] = {}
    for line in lines:
        card = read_card(line)
        if not card.valid and line not in stored:
            return "invalid_card"
        if names.setdefault(card_key(card.token), card.name) != card.name:
            return "card_with_two_names"
    return None


def _subentry(
    wallbox: Mapping[str, Any], entry: ConfigEntry | None
) -> ConfigSubentryData:
    """Return the subentry of a wallbox: the first is named plainly, others by id."""
    charge_point_id = wallbox[CONF_CHARGE_POINT_ID]
    is_first = entry is None or not subentries_of(entry, SUBENTRY_WALLBOX)
    return ConfigSubentryData(
        subentry_type=SUBENTRY_WALLBOX,
        title=_TITLE if is_first else f"{_TITLE} {charge_point_id}",
        data=wallbox,
        unique_id=charge_point_id,
    )
