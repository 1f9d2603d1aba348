"""Who may connect as a wallbox, and which card may charge at it."""

import pytest

from custom_components.bmw_wallbox_victron.wallbox.station_config import StationConfig

OPEN = StationConfig(charge_point_id="DE*BMW*E1")
LOCKED = StationConfig(charge_point_id="DE*BMW*E1", password="kæse 17:x")


@pytest.mark.parametrize("credentials", [None, "DE*BMW*E1:anything", "somebody:"])
def test_without_a_password_everybody_is_let_in(
    credentials: str | None,
) -> None:
    assert OPEN.admits(credentials)


def test_right_password() -> None:
    assert LOCKED.admits("DE*BMW*E1:kæse 17:x")


def test_case_of_the_user_does_not_matter() -> None:
    assert LOCKED.admits("de*bmw*e1:kæse 17:x")


@pytest.mark.parametrize(
    "credentials",
    [
        None,
        "DE*BMW*E1:",
        "DE*BMW*E1:kæse 17:X",
        "DE*BMW*E1:kæse 17:x ",
        "DE*BMW*E1:kæse 17",
        "DE*BMW*E2:kæse 17:x",
        ":kæse 17:x",
        "DE%2ABMW%2AE1:kæse 17:x",
        "DE*BMW*E1",
    ],
    ids=str,
)
def test_wrong_credentials(credentials: str | None) -> None:
    """None at all, a wrong password, another station's name."""
    assert not LOCKED.admits(credentials)


@pytest.mark.parametrize("kind", ["ISO14443", "Central", "NoAuthorization"])
@pytest.mark.parametrize("token", ["04A1B2", ""])
def test_without_a_list_every_card_charges(token: str, kind: str) -> None:
    assert OPEN.accepts(token, kind)


CARDS = StationConfig(
    charge_point_id="x",
    rfid_token="HomeAssistant",
    allowed_tokens=frozenset({"04A1B2c3"}),
)


@pytest.mark.parametrize("token", ["04A1B2c3", "04a1b2C3", "homeassistant"])
def test_cards_on_the_list(token: str) -> None:
    """In any case; what Home Assistant itself presents is always on it."""
    assert CARDS.accepts(token, "ISO14443")


@pytest.mark.parametrize("token", ["04A1B2", "", "04A1B2c3 ", "NoAuthorization"])
def test_cards_not_on_the_list(token: str) -> None:
    assert not CARDS.accepts(token, "ISO14443")


def test_wallbox_that_asks_for_no_card() -> None:
    """That is its own setting: there is no card to refuse."""
    assert CARDS.accepts("", "NoAuthorization")


def test_token_of_home_assistant_alone_is_no_list() -> None:
    config = StationConfig(charge_point_id="x", rfid_token="HomeAssistant")
    assert config.accepts("any card", "ISO14443")
