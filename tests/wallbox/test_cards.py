"""Cards as people write them."""

from hypothesis import given, strategies as st
import pytest

from custom_components.bmw_wallbox_victron.wallbox.cards import (
    allowed_tokens,
    card_key,
    card_names,
    read_card,
)
from custom_components.bmw_wallbox_victron.wallbox.station_config import StationConfig


def config(*lines: str) -> StationConfig:
    """Make the settings of a wallbox whose owner wrote these lines."""
    return StationConfig(
        charge_point_id="x",
        allowed_tokens=allowed_tokens(lines),
        card_names=card_names(lines),
    )


@pytest.mark.parametrize(
    "line",
    [
        "04556677 = Anna",
        "04556677=Anna",
        "  04:55:66:77   =   Anna ",
        "04 55 66 77 = Anna",
        "04-55-66-77= Anna",
        "0455 6677 = Anna",
    ],
)
@pytest.mark.parametrize("token", ["04556677", "04:55:66:77", "04 55 66 77"])
def test_however_it_is_written(line: str, token: str) -> None:
    """It is the same card, for whoever writes it or presents it."""
    station = config(line)
    assert read_card(line).valid
    assert station.accepts(token, "ISO14443")
    assert not station.accepts("04556678", "ISO14443")
    assert station.card_name(token) == "Anna"
    assert station.card_name("04556678") is None
    assert station.card_name(None) is None


@given(st.binary(min_size=1, max_size=10), st.sampled_from([" ", ":", "-", ""]))
def test_bytes(uid: bytes, between: str) -> None:
    """Upper and lower case, with anything between two bytes or nothing."""
    digits = [f"{byte:02x}" for byte in uid]
    assert card_key(between.join(digits).upper()) == uid.hex()


@pytest.mark.parametrize("token", ["MyCard", "a-b", "A:B", "04A", "ab:cd-x", "Home 1"])
def test_what_are_no_bytes_stays_as_it_is(token: str) -> None:
    assert card_key(token) == token.casefold()


@pytest.mark.parametrize(
    ("line", "valid"),
    [
        ("04AB", True),
        ("MyCard", True),
        ("x" * 36, True),
        ("x" * 37, False),
        (":".join(["04"] * 18), True),
        ("= Anna", False),
        ("04AB =", False),
        ("04AB = " + "n" * 50, True),
        ("04AB = " + "n" * 51, False),
        ("My card", False),
        ("Kärtchen", False),
        ("04AB = A = B", True),
        ("", False),
    ],
)
def test_lines(line: str, valid: bool) -> None:
    assert read_card(line).valid is valid


def test_names_may_have_anything() -> None:
    lines = ["04AB = Zoë = Łukasz; the 2nd", "04CD"]
    assert card_names(lines) == {"04ab": "Zoë = Łukasz; the 2nd"}
    assert allowed_tokens(lines) == {"04AB", "04CD"}


def test_an_id_with_an_equals_sign() -> None:
    """OCPP allows it in an ID, and one that was stored goes on charging."""
    station = config("Token=1")
    assert station.accepts("token=1", "Central")
    assert station.accepts("Token", "Central")
    assert not config("04AB=1").accepts("04AB=1", "ISO14443")
