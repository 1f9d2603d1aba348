"""Repair issues: what Home Assistant tells its owner to mend."""

from homeassistant.config_entries import ConfigSubentry
from homeassistant.core import HomeAssistant, callback
from homeassistant.helpers import issue_registry as ir

from .const import CONF_CHARGE_POINT_ID, DOMAIN
from .wallbox.state import WallboxState


@callback
def async_show_limit_issue(
    hass: HomeAssistant, subentry: ConfigSubentry, state: WallboxState
) -> None:
    """Show that a wallbox does not keep a limit, or that it does again."""
    if not state.enforcement.failing:
        async_forget_limit_issue(hass, subentry)
        return
    ir.async_create_issue(
        hass,
        DOMAIN,
        _limit_issue(subentry),
        is_fixable=False,
        severity=ir.IssueSeverity.ERROR,
        translation_key="limit_not_enforced",
        translation_placeholders={
            "name": subentry.title,
            "charge_point_id": subentry.data[CONF_CHARGE_POINT_ID],
            "reason": state.enforcement.refusal or "-",
        },
    )


@callback
def async_forget_limit_issue(hass: HomeAssistant, subentry: ConfigSubentry) -> None:
    """Take back what was shown: it is not so, or not known any more."""
    ir.async_delete_issue(hass, DOMAIN, _limit_issue(subentry))


def _limit_issue(subentry: ConfigSubentry) -> str:
    """Name the issue."""
    return f"limit_not_enforced_{subentry.subentry_id}"
