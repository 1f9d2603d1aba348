"""Setting up in the UI, with real files, real ports and a simulated wallbox."""

from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
import errno
from http import HTTPStatus
from pathlib import Path
import ssl
from types import MappingProxyType
from typing import Any
from unittest.mock import patch

from cryptography.hazmat.primitives import serialization
from homeassistant.config_entries import (
    SOURCE_RECONFIGURE,
    ConfigEntryState,
    ConfigSubentry,
)
from homeassistant.core import HomeAssistant
from homeassistant.data_entry_flow import FlowResultType, InvalidData
from homeassistant.helpers import device_registry as dr, entity_registry as er
from homeassistant.setup import async_setup_component
import pytest
from pytest_homeassistant_custom_component.common import MockConfigEntry
from pytest_homeassistant_custom_component.typing import ClientSessionGenerator
from websockets.exceptions import InvalidStatus

from custom_components.bmw_wallbox_victron.const import DOMAIN, NAME
from simulators import pki
from simulators.wallbox import Car, SimulatedWallbox

from .kit.client import visit
from .kit.flows import (
    OTHER_ID,
    WALLBOX,
    Flow,
    add,
    add_wallbox,
    device_of,
    open_form,
    reconfigure,
    subentry_flow,
    suggested,
    wallbox_subentry,
)
from .kit.ports import free_port, listening, listens
from .kit.site import CHARGE_POINT_ID, Site, settle

#: No address of this computer: for documentation only (RFC 5737).
NOT_OURS = "192.0.2.1"


def the_entry(hass: HomeAssistant) -> Any:
    """Give the entry, of which there is only one."""
    (entry,) = hass.config_entries.async_entries(DOMAIN)
    return entry


@pytest.fixture(autouse=True)
def _no_complaints(caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    """Have Home Assistant find nothing wrong with how it is used."""
    yield
    records = caplog.get_records("setup") + caplog.get_records("call")
    said = [record.getMessage() for record in records]
    assert [text for text in said if "Detected that custom integration" in text] == []


@pytest.fixture
def server_input(pki_files: pki.Files, unused_tcp_port: int) -> dict[str, Any]:
    """Settings of a server that works."""
    return {
        "port": unused_tcp_port,
        "ssl_cert": str(pki_files.certificate),
        "ssl_key": str(pki_files.key),
    }


@pytest.fixture
async def bare_entry(hass: HomeAssistant) -> MockConfigEntry:
    """A running entry without a server and without a wallbox."""
    entry = MockConfigEntry(domain=DOMAIN, title=NAME, unique_id=DOMAIN, data={})
    entry.add_to_hass(hass)
    assert await hass.config_entries.async_setup(entry.entry_id)
    return entry


@pytest.fixture
async def two(hass: HomeAssistant, entry: MockConfigEntry, site: Site) -> Site:
    """A running site with two wallboxes."""
    flow, _ = await subentry_flow(hass, entry)
    await flow.submit({"charge_point_id": OTHER_ID, "max_current": 16})
    await hass.async_block_till_done()
    return site


# From nothing to working


async def test_from_nothing_to_working(
    hass: HomeAssistant,
    server_input: dict[str, Any],
    client_context: ssl.SSLContext,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """A wallbox connects to the URL that the flow ends with; nothing tells secrets."""
    flow, result = await add(hass)
    assert result["type"] is FlowResultType.MENU
    assert "wallbox" in result["menu_options"]
    result = await flow.submit({"next_step_id": "wallbox"})
    assert (result["step_id"], result["errors"]) == ("server", {})
    result = await flow.submit(server_input)
    assert (result["step_id"], result["errors"]) == ("wallbox", {})
    secrets = {"password": "sesame-42", "rfid_token": "04C0FFEE"}
    result = await flow.submit(WALLBOX | secrets | {"allowed_tokens": ["04A", "04B"]})
    assert result["type"] is FlowResultType.CREATE_ENTRY
    hint = result["description_placeholders"]
    assert hint == {
        "url": f"wss://localhost:{server_input['port']}",
        "charge_point_id": CHARGE_POINT_ID,
    }
    await hass.async_block_till_done()

    entry = the_entry(hass)
    assert entry.state is ConfigEntryState.LOADED
    assert (entry.title, entry.unique_id) == (NAME, DOMAIN)
    assert entry.data == server_input
    (subentry,) = entry.subentries.values()
    assert subentry.subentry_type == "wallbox"
    assert subentry.title == "BMW Wallbox"
    assert subentry.unique_id == CHARGE_POINT_ID
    assert subentry.data == WALLBOX | secrets | {"allowed_tokens": ["04A", "04B"]}

    await visit(hint["url"], client_context, hint["charge_point_id"], "sesame-42")
    for secret in (*secrets.values(), "04A", "04B"):
        assert secret not in caplog.text


async def test_over_http(
    hass: HomeAssistant,
    hass_client: ClientSessionGenerator,
    server_input: dict[str, Any],
) -> None:
    """The forms go over the wire with their defaults and come back whole."""
    assert await async_setup_component(hass, "config", {})
    assert await async_setup_component(hass, "websocket_api", {})
    client = await hass_client()
    url = "/api/config/config_entries/flow"

    async def post(where: str, content: Mapping[str, Any]) -> Any:
        response = await client.post(where, json=content)
        assert response.status == HTTPStatus.OK, await response.text()
        return await response.json()

    def form(result: Any) -> dict[str, Any]:
        return {field["name"]: field.get("default") for field in result["data_schema"]}

    step = await post(url, {"handler": DOMAIN})
    url = f"{url}/{step['flow_id']}"
    step = await post(url, {"next_step_id": "wallbox"})
    assert form(step) == {
        "port": 9000,
        "ssl_cert": "/ssl/fullchain.pem",
        "ssl_key": "/ssl/privkey.pem",
    }
    step = await post(url, server_input)
    assert form(step) == {
        "charge_point_id": None,
        "password": None,
        "rfid_token": None,
        "allowed_tokens": None,
        "max_current": 32,
    }
    step = await post(url, {"charge_point_id": OTHER_ID, "max_current": 16.0})
    assert step["type"] == "create_entry"
    (subentry,) = the_entry(hass).subentries.values()
    assert subentry.data == {"charge_point_id": OTHER_ID, "max_current": 16}
    assert isinstance(subentry.data["max_current"], int)


async def test_two_flows_at_once(
    hass: HomeAssistant, server_input: dict[str, Any]
) -> None:
    """A window that was closed half-way does not lock its owner out."""
    await add(hass)
    flow, result = await add(hass)
    assert result["type"] is FlowResultType.MENU
    await flow.submit({"next_step_id": "wallbox"})
    await flow.submit(server_input)
    result = await flow.submit(WALLBOX)
    assert result["type"] is FlowResultType.CREATE_ENTRY
    assert len(hass.config_entries.async_entries(DOMAIN)) == 1


# The server's step

type Case = Callable[[Path, pki.Files], dict[str, str]]


def case_missing(folder: Path, _: pki.Files) -> dict[str, str]:
    return {"ssl_cert": str(folder / "none.pem")}


def case_key_missing(folder: Path, _: pki.Files) -> dict[str, str]:
    return {"ssl_key": str(folder / "none.pem")}


def case_folders(folder: Path, _: pki.Files) -> dict[str, str]:
    return {"ssl_cert": str(folder), "ssl_key": str(folder)}


def case_blank(_: Path, __: pki.Files) -> dict[str, str]:
    return {"ssl_cert": "  ", "ssl_key": ""}


def case_no_path(_: Path, __: pki.Files) -> dict[str, str]:
    return {"ssl_cert": "a\0b"}


def case_swapped(_: Path, good: pki.Files) -> dict[str, str]:
    return {"ssl_cert": str(good.key), "ssl_key": str(good.certificate)}


def case_empty(folder: Path, _: pki.Files) -> dict[str, str]:
    (folder / "empty").touch()
    return {"ssl_cert": str(folder / "empty"), "ssl_key": str(folder / "empty")}


def case_damaged(folder: Path, good: pki.Files) -> dict[str, str]:
    for name in ("certificate", "key"):
        text = getattr(good, name).read_text()
        (folder / name).write_text(text[:100] + text[120:])
    return {"ssl_cert": str(folder / "certificate"), "ssl_key": str(folder / "key")}


def case_encrypted(folder: Path, good: pki.Files) -> dict[str, str]:
    key = serialization.load_pem_private_key(good.key.read_bytes(), None)
    (folder / "key").write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.BestAvailableEncryption(b"secret"),
        )
    )
    return {"ssl_key": str(folder / "key")}


def case_others_key(folder: Path, _: pki.Files) -> dict[str, str]:
    return {"ssl_key": str(pki.issue(folder).key)}


def _issued(folder: Path, first_day: int, last_day: int) -> dict[str, str]:
    now = datetime.now(UTC)
    files = pki.issue(
        folder,
        not_before=now + timedelta(days=first_day),
        not_after=now + timedelta(days=last_day),
    )
    return {"ssl_cert": str(files.certificate), "ssl_key": str(files.key)}


def case_expired(folder: Path, _: pki.Files) -> dict[str, str]:
    return _issued(folder, -91, -1)


def case_not_yet_valid(folder: Path, _: pki.Files) -> dict[str, str]:
    return _issued(folder, 1, 90)


FAULTS: list[tuple[Case, dict[str, str]]] = [
    (case_missing, {"ssl_cert": "not_found"}),
    (case_key_missing, {"ssl_key": "not_found"}),
    (case_folders, {"ssl_cert": "unreadable", "ssl_key": "unreadable"}),
    (case_blank, {"ssl_cert": "unreadable", "ssl_key": "unreadable"}),
    (case_no_path, {"ssl_cert": "unreadable"}),
    (case_swapped, {"ssl_cert": "not_pem", "ssl_key": "not_pem"}),
    (case_empty, {"ssl_cert": "not_pem", "ssl_key": "not_pem"}),
    (case_damaged, {"ssl_cert": "not_pem", "ssl_key": "not_pem"}),
    (case_encrypted, {"ssl_key": "key_encrypted"}),
    (case_others_key, {"ssl_key": "key_mismatch"}),
    (case_expired, {"ssl_cert": "expired"}),
    (case_not_yet_valid, {"ssl_cert": "not_yet_valid"}),
]
each_fault = pytest.mark.parametrize(
    ("case", "errors"), FAULTS, ids=lambda item: getattr(item, "__name__", "")
)


@each_fault
async def test_certificate_fault(
    hass: HomeAssistant,
    server_input: dict[str, Any],
    pki_files: pki.Files,
    tmp_path: Path,
    case: Case,
    errors: dict[str, str],
) -> None:
    """A fault stands at its field, what was typed stays, and the flow goes on."""
    flow, _ = await add_wallbox(hass)
    bad = server_input | await hass.async_add_executor_job(case, tmp_path, pki_files)
    result = await flow.submit(bad)
    assert (result["step_id"], result["errors"]) == ("server", errors)
    assert suggested(result) == bad
    await flow.submit(server_input)
    result = await flow.submit(WALLBOX)
    assert result["type"] is FlowResultType.CREATE_ENTRY


async def test_port_taken(hass: HomeAssistant, server_input: dict[str, Any]) -> None:
    """A port that another program listens on is named, beside other faults."""
    flow, _ = await add_wallbox(hass)
    with listening(server_input["port"]):
        result = await flow.submit(server_input | {"ssl_cert": "/none.pem"})
        assert result["errors"] == {"port": "port_in_use", "ssl_cert": "not_found"}
        result = await flow.submit(server_input)
        assert result["errors"] == {"port": "port_in_use"}
    await flow.submit(server_input)
    result = await flow.submit(WALLBOX)
    assert result["type"] is FlowResultType.CREATE_ENTRY
    await hass.async_block_till_done()
    assert the_entry(hass).state is ConfigEntryState.LOADED


async def test_port_not_permitted(
    hass: HomeAssistant, server_input: dict[str, Any]
) -> None:
    """A port that the operating system keeps for itself is named as such."""
    flow, _ = await add_wallbox(hass)
    # Tests may run as root, who may listen everywhere.
    refusal = PermissionError(errno.EACCES, "Permission denied")
    with patch.object(hass.loop, "create_server", side_effect=refusal):
        result = await flow.submit(server_input)
    assert result["errors"] == {"port": "port_not_permitted"}
    await flow.submit(server_input)
    result = await flow.submit(WALLBOX)
    assert result["type"] is FlowResultType.CREATE_ENTRY


async def test_cannot_listen(hass: HomeAssistant, server_input: dict[str, Any]) -> None:
    """An address that is not this computer's is no port that is taken."""
    entry = MockConfigEntry(domain=DOMAIN, unique_id=DOMAIN, data={"host": NOT_OURS})
    entry.add_to_hass(hass)
    flow, _ = await reconfigure(hass, entry)
    result = await flow.submit(server_input)
    assert result["errors"] == {"port": "cannot_listen"}
    hass.config_entries.async_update_entry(entry, data={"host": "127.0.0.1"})
    result = await flow.submit(server_input)
    assert result["reason"] == "reconfigure_successful"


@pytest.mark.parametrize("port", [0, 65536])
async def test_no_port(
    hass: HomeAssistant, server_input: dict[str, Any], port: int
) -> None:
    """What is no port is not taken for one."""
    flow, _ = await add_wallbox(hass)
    with pytest.raises(InvalidData):
        await flow.submit(server_input | {"port": port})


async def test_blanks_around_paths(
    hass: HomeAssistant, server_input: dict[str, Any]
) -> None:
    """Blanks that were copied along with a path do no harm."""
    flow, _ = await add_wallbox(hass)
    paths = {key: f" {server_input[key]}\n" for key in ("ssl_cert", "ssl_key")}
    await flow.submit(server_input | paths)
    await flow.submit(WALLBOX)
    assert the_entry(hass).data == server_input


@pytest.mark.parametrize(
    ("names", "urls", "host"),
    [
        (("wallbox.example.org",), {}, "wallbox.example.org"),
        (("*.example.org",), {}, "homeassistant.example.org"),
        (
            ("a.example.org", "ha.example.org"),
            {"internal_url": "https://HA.example.org:8123"},
            "ha.example.org",
        ),
        (
            ("a.example.org", "ha.example.org"),
            {"external_url": "https://ha.example.org"},
            "ha.example.org",
        ),
        (
            ("example.org", "*.example.org"),
            {"internal_url": "https://ha.example.org"},
            "ha.example.org",
        ),
        (
            ("*.example.org", "z.example.org"),
            {"internal_url": "https://a.b.example.org"},
            "homeassistant.example.org",
        ),
        (
            ("a.example.org",),
            {"internal_url": "http://192.168.1.5:8123"},
            "a.example.org",
        ),
        (
            ("a.example.org", "z.example.org"),
            {
                "internal_url": "https://z.example.org",
                "external_url": "https://a.example.org",
            },
            "z.example.org",
        ),
        ((), {}, "homeassistant.local"),
    ],
    ids=[
        "plain",
        "wildcard",
        "internal URL",
        "external URL",
        "internal URL in wildcard",
        "wildcard covers one level only",
        "internal URL is an address",
        "internal URL before external",
        "no name",
    ],
)
async def test_host_in_the_url(
    hass: HomeAssistant,
    server_input: dict[str, Any],
    tmp_path: Path,
    names: tuple[str, ...],
    urls: dict[str, str],
    host: str,
) -> None:
    """The URL has a name that the wallbox will accept the certificate for."""
    await hass.config.async_update(**urls)
    files = await hass.async_add_executor_job(issue_for, tmp_path, names)
    server_input |= {"ssl_cert": str(files.certificate), "ssl_key": str(files.key)}
    flow, _ = await add_wallbox(hass)
    await flow.submit(server_input)
    result = await flow.submit(WALLBOX)
    assert result["description"] == ("wallbox" if names else "wallbox_untrusted")
    url = f"wss://{host}:{server_input['port']}"
    assert result["description_placeholders"]["url"] == url


def issue_for(folder: Path, names: tuple[str, ...]) -> pki.Files:
    """Issue a certificate for these names; for none, one that signs itself."""
    return pki.issue(folder, names=names, self_signed=not names)


async def test_certificate_gone_in_the_middle(
    hass: HomeAssistant, server_input: dict[str, Any], tmp_path: Path
) -> None:
    """A certificate file that vanishes between two steps does not break the flow."""
    files = await hass.async_add_executor_job(pki.issue, tmp_path)
    server_input |= {"ssl_cert": str(files.certificate), "ssl_key": str(files.key)}
    flow, _ = await add_wallbox(hass)
    await flow.submit(server_input)
    files.certificate.unlink()
    result = await flow.submit(WALLBOX)
    url = f"wss://homeassistant.local:{server_input['port']}"
    assert result["description_placeholders"]["url"] == url


#: What a wallbox does not accept, and what of it the sentence says.
REFUSED: dict[str, tuple[dict[str, Any], str]] = {
    "self-signed": ({"self_signed": True}, "self-signed"),
    "without its chain": ({"without_chain": True}, "fullchain.pem"),
    "for no host": ({"names": ()}, "names no host"),
    "for another host": ({"names": ("b.example.org",)}, "is not for `localhost`"),
}
each_refused = pytest.mark.parametrize("case", REFUSED)


async def refused_server(
    hass: HomeAssistant, server: Mapping[str, Any], folder: Path, case: str
) -> tuple[dict[str, Any], str, str]:
    """Issue such a certificate; return the server, its host and what is said."""
    settings, words = REFUSED[case]
    files = await hass.async_add_executor_job(lambda: pki.issue(folder, **settings))
    (name,) = settings.get("names") or ("localhost",)
    return (
        {**server, "ssl_cert": str(files.certificate), "ssl_key": str(files.key)},
        name if settings.get("names") != () else "homeassistant.local",
        words,
    )


@each_refused
async def test_certificate_that_a_wallbox_refuses(
    hass: HomeAssistant, server_input: dict[str, Any], tmp_path: Path, case: str
) -> None:
    """It is taken, and the end says what to do: for the first wallbox, and others."""
    server, host, words = await refused_server(hass, server_input, tmp_path, case)
    flow, _ = await add_wallbox(hass)
    await flow.submit(server)
    first = await flow.submit(WALLBOX)
    await hass.async_block_till_done()
    flow, _ = await add_wallbox(hass)
    second = await flow.submit({"charge_point_id": OTHER_ID, "max_current": 16})
    for result, good, bad in (
        (first, "wallbox", "wallbox_untrusted"),
        (second, "wallbox_added", "wallbox_untrusted_added"),
    ):
        hint = result["description_placeholders"]
        assert hint["url"] == f"wss://{host}:{server_input['port']}"
        said = result["description"] if result is first else result["reason"]
        if case == "for another host":  # none came yet
            assert said == good
        else:
            assert said == bad
            assert words in hint["reason"]


@each_refused
async def test_certificate_that_a_wallbox_refuses_later(
    hass: HomeAssistant,
    entry: MockConfigEntry,
    site: Site,
    client_context: ssl.SSLContext,
    tmp_path: Path,
    case: str,
) -> None:
    """A changed server warns as the first set-up does, and names the URL."""
    await visit(site.url, client_context)
    before = {key: entry.data[key] for key in ("port", "ssl_cert", "ssl_key")}
    server, host, words = await refused_server(hass, before, tmp_path, case)
    flow, _ = await reconfigure(hass, entry)
    result = await flow.submit(server)
    assert result["reason"] == "reconfigure_untrusted"
    hint = result["description_placeholders"]
    assert hint["url"] == f"wss://{host}:{entry.data['port']}"
    assert words in hint["reason"]
    await hass.async_block_till_done()
    # Where to look it up a week later; and back to what is right.
    subentry = wallbox_subentry(entry, CHARGE_POINT_ID)
    _, form = await subentry_flow(hass, entry, subentry.subentry_id)
    assert form["description_placeholders"] == {"url": hint["url"]}
    flow, _ = await reconfigure(hass, entry)
    result = await flow.submit(before)
    assert result["reason"] == "reconfigure_successful"
    assert result["description_placeholders"] == {"url": site.url}
    await hass.async_block_till_done()


async def test_wallbox_of_an_entry_that_has_lost_its_server(
    hass: HomeAssistant, entry: MockConfigEntry
) -> None:
    """Its form opens all the same."""
    hass.config_entries.async_update_entry(entry, data={})
    subentry = wallbox_subentry(entry, CHARGE_POINT_ID)
    _, form = await subentry_flow(hass, entry, subentry.subentry_id)
    assert form["description_placeholders"] == {"url": "wss://homeassistant.local:9000"}


async def test_certificate_that_a_wallbox_accepts_all_the_same(
    hass: HomeAssistant, server_input: dict[str, Any], tmp_path: Path
) -> None:
    """One that got in is the proof: nobody is warned of that certificate any more."""
    server, host, _ = await refused_server(hass, server_input, tmp_path, "self-signed")
    flow, _ = await add_wallbox(hass)
    await flow.submit(server)
    await flow.submit(WALLBOX)
    await hass.async_block_till_done()
    url = f"wss://{host}:{server['port']}"
    context = await hass.async_add_executor_job(
        lambda: ssl.create_default_context(cafile=server["ssl_cert"])
    )
    await visit(url, context)
    flow, _ = await reconfigure(hass, the_entry(hass))
    result = await flow.submit(server)
    assert result["reason"] == "reconfigure_successful"


# The wallbox's step

BAD_IDS = [
    "",
    "   ",
    "DE BMW",
    "DE*BMW%20E1",
    "DE/BMW",
    "wss://localhost:9000/DE*BMW*E1",
    "DE*BMW*É1",
    "DE*BMW*E1\u200b",
    "x" * 49,
]


@pytest.mark.parametrize(
    ("cards", "error"),
    [
        (["= Anna"], "invalid_card"),
        (["04AB ="], "invalid_card"),
        (["04AB", "my card"], "invalid_card"),
        (["x" * 37], "invalid_card"),
        (["04:AB = Anna", "04ab = Bert"], "card_with_two_names"),
        (["04AB = Anna", "04AB"], "card_with_two_names"),
    ],
)
async def test_bad_cards(
    hass: HomeAssistant, server_input: dict[str, Any], cards: list[str], error: str
) -> None:
    """What is no card is told at its field, and nothing that was typed is lost."""
    flow, _ = await add_wallbox(hass)
    await flow.submit(server_input)
    result = await flow.submit(WALLBOX | {"allowed_tokens": cards})
    assert result["errors"] == {"allowed_tokens": error}
    assert suggested(result)["allowed_tokens"] == cards
    result = await flow.submit(WALLBOX | {"allowed_tokens": ["04AB = Anna", "04AC"]})
    assert result["type"] is FlowResultType.CREATE_ENTRY


@pytest.mark.parametrize("charge_point_id", BAD_IDS)
async def test_bad_id(
    hass: HomeAssistant, server_input: dict[str, Any], charge_point_id: str
) -> None:
    """What OCPP does not allow in an id is told, and the flow goes on."""
    flow, _ = await add_wallbox(hass)
    await flow.submit(server_input)
    bad = {"charge_point_id": charge_point_id, "max_current": 20, "password": "old"}
    result = await flow.submit(bad)
    assert result["step_id"] == "wallbox"
    assert result["errors"] == {"charge_point_id": "invalid_charge_point_id"}
    assert suggested(result) == bad
    result = await flow.submit(WALLBOX)
    assert result["type"] is FlowResultType.CREATE_ENTRY


@pytest.mark.parametrize(
    ("typed", "stored"),
    [
        ({"charge_point_id": "DE%2ABMW%2aE1"}, {"charge_point_id": "DE*BMW*E1"}),
        ({"charge_point_id": "  DE*BMW*E1\t"}, {"charge_point_id": "DE*BMW*E1"}),
        ({"charge_point_id": "a-_=:+|@.1"}, {"charge_point_id": "a-_=:+|@.1"}),
        ({"charge_point_id": "x" * 48}, {"charge_point_id": "x" * 48}),
        ({"password": ""}, {}),
        ({"password": " with blanks "}, {"password": " with blanks "}),
        ({"rfid_token": " 04AB "}, {"rfid_token": "04AB"}),
        ({"rfid_token": " "}, {}),
        ({"allowed_tokens": [" 04 ", "", " "]}, {"allowed_tokens": ["04"]}),
        ({"allowed_tokens": []}, {}),
        (
            {"allowed_tokens": [" 04:55:66:77 =  Anna ", "0401"]},
            {"allowed_tokens": ["04:55:66:77 =  Anna", "0401"]},
        ),
        ({"max_current": 6}, {"max_current": 6}),
        ({"max_current": 63}, {"max_current": 63}),
    ],
)
async def test_what_is_stored(
    hass: HomeAssistant,
    server_input: dict[str, Any],
    typed: dict[str, Any],
    stored: dict[str, Any],
) -> None:
    """Stray blanks and the escapes of a URL are taken away; a password stays."""
    flow, _ = await add_wallbox(hass)
    await flow.submit(server_input)
    result = await flow.submit(WALLBOX | typed)
    assert result["type"] is FlowResultType.CREATE_ENTRY
    (subentry,) = the_entry(hass).subentries.values()
    assert subentry.data == WALLBOX | stored
    assert subentry.unique_id == subentry.data["charge_point_id"]
    assert result["description_placeholders"]["charge_point_id"] == subentry.unique_id


@pytest.mark.parametrize("current", [5, 64])
async def test_current_out_of_range(
    hass: HomeAssistant, server_input: dict[str, Any], current: int
) -> None:
    """A current that no wallbox can have is refused."""
    flow, _ = await add_wallbox(hass)
    await flow.submit(server_input)
    with pytest.raises(InvalidData):
        await flow.submit(WALLBOX | {"max_current": current})


@pytest.mark.parametrize("charge_point_id", ["a-_=+|@.1", "DE:BMW:E1"])
async def test_unusual_id_with_a_password(
    hass: HomeAssistant,
    server_input: dict[str, Any],
    client_context: ssl.SSLContext,
    charge_point_id: str,
) -> None:
    """An id that the form takes is one that a wallbox can log in with."""
    flow, _ = await add_wallbox(hass)
    await flow.submit(server_input)
    result = await flow.submit(
        {"charge_point_id": charge_point_id, "password": "secret", "max_current": 32}
    )
    await hass.async_block_till_done()
    url = result["description_placeholders"]["url"]
    await visit(url, client_context, charge_point_id, "secret")


async def test_id_like_the_servers(
    hass: HomeAssistant, server_input: dict[str, Any]
) -> None:
    """A wallbox that is called `server` does not become one with the server."""
    flow, _ = await add_wallbox(hass)
    await flow.submit(server_input)
    result = await flow.submit({"charge_point_id": "server", "max_current": 32})
    if result["type"] is FlowResultType.FORM:
        assert "charge_point_id" in result["errors"]
        return
    await hass.async_block_till_done()
    entry = the_entry(hass)
    devices = dr.async_entries_for_config_entry(dr.async_get(hass), entry.entry_id)
    assert len(devices) == 2


# More wallboxes


async def test_second_run_adds_to_the_entry(
    hass: HomeAssistant,
    entry: MockConfigEntry,
    site: Site,
    client_context: ssl.SSLContext,
) -> None:
    """The flow run again asks for no server, and adds a wallbox to the one entry."""
    flow, result = await add_wallbox(hass)
    assert result["step_id"] == "wallbox"
    result = await flow.submit(
        {"charge_point_id": CHARGE_POINT_ID.lower(), "max_current": 16}
    )
    assert result["errors"] == {"charge_point_id": "already_configured"}
    result = await flow.submit({"charge_point_id": OTHER_ID, "max_current": 16})
    assert result["type"] is FlowResultType.ABORT
    assert result["reason"] == "wallbox_added"
    assert result["description_placeholders"] == {
        "url": site.url,
        "charge_point_id": OTHER_ID,
    }
    await hass.async_block_till_done()
    assert the_entry(hass) is entry
    assert [subentry.title for subentry in entry.subentries.values()] == [
        "BMW Wallbox",
        f"BMW Wallbox {OTHER_ID}",
    ]
    assert wallbox_subentry(entry, OTHER_ID).unique_id == OTHER_ID
    assert wallbox_subentry(entry, OTHER_ID).data["max_current"] == 16
    await visit(site.url, client_context, OTHER_ID)


async def test_second_run_after_the_server_is_missing(
    hass: HomeAssistant,
    bare_entry: MockConfigEntry,
    server_input: dict[str, Any],
    client_context: ssl.SSLContext,
) -> None:
    """An entry without a server gets one with its first wallbox."""
    flow, result = await add_wallbox(hass)
    assert result["step_id"] == "server"
    await flow.submit(server_input)
    result = await flow.submit(WALLBOX)
    assert result["reason"] == "wallbox_added"
    await hass.async_block_till_done()
    assert the_entry(hass) is bare_entry
    assert bare_entry.data == server_input
    assert bare_entry.state is ConfigEntryState.LOADED
    await visit(result["description_placeholders"]["url"], client_context)


async def test_subentry(
    hass: HomeAssistant,
    entry: MockConfigEntry,
    site: Site,
    client_context: ssl.SSLContext,
) -> None:
    """A wallbox is added to the entry; one that is there already is not."""
    flow, result = await subentry_flow(hass, entry)
    assert (result["step_id"], result["errors"]) == ("wallbox", {})
    result = await flow.submit(WALLBOX | {"charge_point_id": CHARGE_POINT_ID.lower()})
    assert result["errors"] == {"charge_point_id": "already_configured"}
    result = await flow.submit(WALLBOX | {"charge_point_id": " "})
    assert result["errors"] == {"charge_point_id": "invalid_charge_point_id"}
    result = await flow.submit({"charge_point_id": "DE%2ABMW%2AE2", "max_current": 16})
    assert result["type"] is FlowResultType.CREATE_ENTRY
    assert result["description_placeholders"] == {
        "url": site.url,
        "charge_point_id": OTHER_ID,
    }
    await hass.async_block_till_done()
    subentry = wallbox_subentry(entry, OTHER_ID)
    assert subentry.unique_id == OTHER_ID
    assert subentry.title == f"BMW Wallbox {OTHER_ID}"
    assert subentry.data == {"charge_point_id": OTHER_ID, "max_current": 16}
    await visit(site.url, client_context, OTHER_ID)
    await visit(site.url, client_context, CHARGE_POINT_ID)


async def test_subentry_after_the_server_is_missing(
    hass: HomeAssistant,
    bare_entry: MockConfigEntry,
    server_input: dict[str, Any],
    client_context: ssl.SSLContext,
) -> None:
    """An entry without a server asks for it before its first wallbox."""
    flow, result = await subentry_flow(hass, bare_entry)
    assert (result["step_id"], result["errors"]) == ("server", {})
    with listening(server_input["port"]):
        bad = server_input | {"ssl_key": "/none.pem"}
        result = await flow.submit(bad)
    assert result["errors"] == {"port": "port_in_use", "ssl_key": "not_found"}
    assert suggested(result) == bad
    result = await flow.submit(server_input)
    assert result["step_id"] == "wallbox"
    result = await flow.submit(WALLBOX)
    assert result["type"] is FlowResultType.CREATE_ENTRY
    await hass.async_block_till_done()
    assert bare_entry.data == server_input
    assert bare_entry.state is ConfigEntryState.LOADED
    (subentry,) = bare_entry.subentries.values()
    assert subentry.title == "BMW Wallbox"
    await visit(result["description_placeholders"]["url"], client_context)


async def test_other_subentries_are_no_wallboxes(
    hass: HomeAssistant, entry: MockConfigEntry, site: Site
) -> None:
    """A subentry of another kind is not compared with a wallbox."""
    hass.config_entries.async_add_subentry(
        entry,
        ConfigSubentry(
            subentry_type="victron_device",
            title="SmartShunt",
            data=MappingProxyType({"address": "AA:BB:CC:DD:EE:FF"}),
            unique_id="AA:BB:CC:DD:EE:FF",
        ),
    )
    await hass.async_block_till_done()
    flow, _ = await subentry_flow(hass, entry)
    result = await flow.submit({"charge_point_id": OTHER_ID, "max_current": 16})
    assert result["type"] is FlowResultType.CREATE_ENTRY
    await hass.async_block_till_done()
    assert entry.state is ConfigEntryState.LOADED


# Changing the server


async def test_new_port(
    hass: HomeAssistant,
    entry: MockConfigEntry,
    site: Site,
    client_context: ssl.SSLContext,
) -> None:
    """The own port is not taken for somebody else's; a new one works at once."""
    server = {key: entry.data[key] for key in ("port", "ssl_cert", "ssl_key")}
    flow, result = await reconfigure(hass, entry)
    assert (result["step_id"], result["errors"]) == ("reconfigure", {})
    assert suggested(result) == server
    result = await flow.submit(server | {"ssl_cert": "/none.pem"})
    assert result["errors"] == {"ssl_cert": "not_found"}
    result = await flow.submit(server)
    assert result["reason"] == "reconfigure_successful"

    old_port, new_port = entry.data["port"], free_port()
    flow, _ = await reconfigure(hass, entry)
    with listening() as taken:
        result = await flow.submit(server | {"port": taken})
    assert result["errors"] == {"port": "port_in_use"}
    result = await flow.submit(server | {"port": new_port})
    assert result["reason"] == "reconfigure_successful"
    await hass.async_block_till_done()
    assert entry.data == server | {"port": new_port, "host": "127.0.0.1"}
    assert entry.state is ConfigEntryState.LOADED
    assert not listens(old_port)
    await visit(f"wss://localhost:{new_port}", client_context)


@each_fault
async def test_certificate_fault_later(
    hass: HomeAssistant,
    entry: MockConfigEntry,
    site: Site,
    client_context: ssl.SSLContext,
    pki_files: pki.Files,
    tmp_path: Path,
    case: Case,
    errors: dict[str, str],
) -> None:
    """A certificate that would not work is not taken; the old one stays in use."""
    before = dict(entry.data)
    bad = await hass.async_add_executor_job(case, tmp_path, pki_files)
    server = {key: entry.data[key] for key in ("port", "ssl_cert", "ssl_key")}
    flow, _ = await reconfigure(hass, entry)
    result = await flow.submit(server | bad)
    assert (result["step_id"], result["errors"]) == ("reconfigure", errors)
    assert suggested(result) == server | bad
    assert entry.data == before
    await visit(site.url, client_context)
    result = await flow.submit(server)
    assert result["reason"] == "reconfigure_successful"


async def test_new_certificate(
    hass: HomeAssistant, entry: MockConfigEntry, site: Site, tmp_path: Path
) -> None:
    """Another certificate is in use at once."""
    files = await hass.async_add_executor_job(pki.issue, tmp_path)
    flow, _ = await reconfigure(hass, entry)
    await flow.submit(
        {
            "port": entry.data["port"],
            "ssl_cert": str(files.certificate),
            "ssl_key": str(files.key),
        }
    )
    await hass.async_block_till_done()
    context = await hass.async_add_executor_job(files.client_context)
    await visit(site.url, context)


async def test_server_for_an_entry_without(
    hass: HomeAssistant,
    bare_entry: MockConfigEntry,
    server_input: dict[str, Any],
) -> None:
    """Reconfiguring an entry without a server gives it one."""
    flow, result = await reconfigure(hass, bare_entry)
    assert suggested(result) == {}
    await flow.submit(server_input)
    await hass.async_block_till_done()
    assert bare_entry.data == server_input
    assert listens(server_input["port"])


async def test_new_port_when_the_old_one_was_taken(
    hass: HomeAssistant, entry: MockConfigEntry, client_context: ssl.SSLContext
) -> None:
    """The way out that the error message names works at once, not with a retry."""
    server = {key: entry.data[key] for key in ("port", "ssl_cert", "ssl_key")}
    port = free_port()
    with listening(entry.data["port"]):
        assert not await hass.config_entries.async_setup(entry.entry_id)
        flow, _ = await reconfigure(hass, entry)
        await flow.submit(server | {"port": port})
        await hass.async_block_till_done()
    assert entry.state is ConfigEntryState.LOADED
    await visit(f"wss://localhost:{port}", client_context)


async def test_old_port_when_it_was_taken(
    hass: HomeAssistant, entry: MockConfigEntry
) -> None:
    """The entry's own port is somebody else's while its server is not running."""
    server = {key: entry.data[key] for key in ("port", "ssl_cert", "ssl_key")}
    with listening(entry.data["port"]):
        await hass.config_entries.async_setup(entry.entry_id)
        flow, _ = await reconfigure(hass, entry)
        result = await flow.submit(server)
    assert result["type"] is FlowResultType.FORM
    assert result["errors"] == {"port": "port_in_use"}


# Changing a wallbox


async def test_password_added(
    hass: HomeAssistant,
    entry: MockConfigEntry,
    site: Site,
    client_context: ssl.SSLContext,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """From then on the password is asked for; taken away again, it is not."""
    subentry = wallbox_subentry(entry, CHARGE_POINT_ID)
    await visit(site.url, client_context)

    async def change(**changes: Any) -> None:
        flow, result = await subentry_flow(hass, entry, subentry.subentry_id)
        assert suggested(result) == dict(wallbox_subentry(entry, CHARGE_POINT_ID).data)
        result = await flow.submit(WALLBOX | changes)
        assert result["reason"] == "reconfigure_successful"
        await hass.async_block_till_done()

    async def refused(password: str | None) -> None:
        with pytest.raises(InvalidStatus) as refusal:
            await visit(site.url, client_context, password=password)
        assert refusal.value.response.status_code == HTTPStatus.UNAUTHORIZED

    await change(password="sesame-1")
    await refused(None)
    await visit(site.url, client_context, password="sesame-1")
    await change(password="sesame-2")
    await refused("sesame-1")
    await visit(site.url, client_context, password="sesame-2")
    await change()
    await visit(site.url, client_context)
    assert "sesame" not in caplog.text


@pytest.mark.usefixtures("unpaced")
@pytest.mark.parametrize("new_id", [OTHER_ID, CHARGE_POINT_ID.lower()])
async def test_corrected_id(
    hass: HomeAssistant,
    entry: MockConfigEntry,
    site: Site,
    client_context: ssl.SSLContext,
    new_id: str,
) -> None:
    """With a corrected id device, entities and energy stay what they were."""
    entities = er.async_get(hass)
    wallbox = SimulatedWallbox(
        url=site.url,
        charge_point_id=CHARGE_POINT_ID,
        ssl_context=client_context,
        register_wh=1_000_000,
    )
    await wallbox.connect()
    await wallbox.plug_in(Car(phases=1))
    await wallbox.tick(60)
    await wallbox.unplug()
    await settle(hass, wallbox)
    await wallbox.disconnect()
    energy_total, session = site.number("energy_total"), site.number("energy_session")
    assert energy_total > 1000
    assert session > 0

    def identities() -> dict[str, str]:
        return {
            entity.entity_id: entity.unique_id
            for entity in er.async_entries_for_config_entry(entities, entry.entry_id)
        }

    device = device_of(hass, entry, CHARGE_POINT_ID)
    assert device is not None
    renamed = {
        entity_id: unique_id.replace(f"{CHARGE_POINT_ID}_", f"{new_id}_")
        for entity_id, unique_id in identities().items()
    }
    subentry_id = wallbox_subentry(entry, CHARGE_POINT_ID).subentry_id
    flow, _ = await subentry_flow(hass, entry, subentry_id)
    result = await flow.submit(WALLBOX | {"charge_point_id": new_id})
    assert result["reason"] == "reconfigure_successful"
    await hass.async_block_till_done()

    assert wallbox_subentry(entry, new_id).unique_id == new_id
    assert wallbox_subentry(entry, new_id).subentry_id == subentry_id
    assert identities() == renamed
    after = device_of(hass, entry, new_id)
    assert after is not None
    assert after.id == device.id
    assert after.serial_number == device.serial_number == "SIM0000001"
    assert device_of(hass, entry, CHARGE_POINT_ID) is None
    energy = hass.states.get(site.entity_id("sensor", "energy_total", new_id))
    assert energy is not None
    assert float(energy.state) == energy_total
    energy = hass.states.get(site.entity_id("sensor", "energy_session", new_id))
    assert energy is not None
    assert float(energy.state) == session
    await visit(site.url, client_context, new_id)


async def test_corrected_id_in_the_title(hass: HomeAssistant, two: Site) -> None:
    """A title that holds the id follows it; the other wallbox stays as it is."""
    subentry = wallbox_subentry(two.entry, OTHER_ID)
    before = wallbox_subentry(two.entry, CHARGE_POINT_ID)
    flow, _ = await subentry_flow(hass, two.entry, subentry.subentry_id)
    result = await flow.submit(WALLBOX | {"charge_point_id": CHARGE_POINT_ID.lower()})
    assert result["errors"] == {"charge_point_id": "already_configured"}
    result = await flow.submit(WALLBOX | {"charge_point_id": ""})
    assert result["errors"] == {"charge_point_id": "invalid_charge_point_id"}
    result = await flow.submit(WALLBOX | {"charge_point_id": "DE*BMW*E3"})
    assert result["reason"] == "reconfigure_successful"
    await hass.async_block_till_done()
    after = wallbox_subentry(two.entry, "DE*BMW*E3")
    assert after.title == "BMW Wallbox DE*BMW*E3"
    device = device_of(hass, two.entry, "DE*BMW*E3")
    assert device is not None
    assert device.name == after.title
    assert wallbox_subentry(two.entry, CHARGE_POINT_ID) == before


async def test_corrected_id_that_another_begins_with(
    hass: HomeAssistant, entry: MockConfigEntry, site: Site
) -> None:
    """The entities of the other wallbox keep their unique ids."""
    longer = f"{CHARGE_POINT_ID}_2"
    flow, _ = await subentry_flow(hass, entry)
    await flow.submit({"charge_point_id": longer, "max_current": 16})
    await hass.async_block_till_done()
    power = site.entity_id("sensor", "power", longer)
    subentry = wallbox_subentry(entry, CHARGE_POINT_ID)
    flow, _ = await subentry_flow(hass, entry, subentry.subentry_id)
    await flow.submit(WALLBOX | {"charge_point_id": OTHER_ID})
    await hass.async_block_till_done()
    assert site.entity_id("sensor", "power", longer) == power
    assert site.entity_id("sensor", "power", OTHER_ID) != power


async def test_corrected_id_without_a_device(
    hass: HomeAssistant, entry: MockConfigEntry
) -> None:
    """The id can be corrected before the entry ever ran."""
    subentry = wallbox_subentry(entry, CHARGE_POINT_ID)
    flow, _ = await subentry_flow(hass, entry, subentry.subentry_id)
    result = await flow.submit(WALLBOX | {"charge_point_id": OTHER_ID})
    assert result["reason"] == "reconfigure_successful"
    assert wallbox_subentry(entry, OTHER_ID).unique_id == OTHER_ID


async def test_entity_of_another_integration(
    hass: HomeAssistant, entry: MockConfigEntry, site: Site
) -> None:
    """An entity that somebody else hung onto the device keeps its unique id."""
    entities = er.async_get(hass)
    device = device_of(hass, entry, CHARGE_POINT_ID)
    assert device is not None
    other = MockConfigEntry(domain="template")
    other.add_to_hass(hass)
    guest = entities.async_get_or_create(
        "sensor",
        "template",
        f"{CHARGE_POINT_ID}_cost",
        config_entry=other,
        device_id=device.id,
    )
    subentry = wallbox_subentry(entry, CHARGE_POINT_ID)
    flow, _ = await subentry_flow(hass, entry, subentry.subentry_id)
    await flow.submit(WALLBOX | {"charge_point_id": OTHER_ID})
    await hass.async_block_till_done()
    after = entities.async_get(guest.entity_id)
    assert after is not None
    assert after.unique_id == f"{CHARGE_POINT_ID}_cost"
    assert site.entity_id("sensor", "power", OTHER_ID)


async def test_removed(
    hass: HomeAssistant, two: Site, client_context: ssl.SSLContext
) -> None:
    """A removed wallbox takes its device and entities along and may not connect."""
    entities = er.async_get(hass)

    def owners() -> set[str]:
        return {
            entity.unique_id.rpartition("_power")[0]
            for entity in er.async_entries_for_config_entry(
                entities, two.entry.entry_id
            )
            if entity.unique_id.endswith("_power")
        }

    await visit(two.url, client_context, OTHER_ID)
    kept = {
        entity.entity_id
        for entity in er.async_entries_for_config_entry(entities, two.entry.entry_id)
        if not entity.unique_id.startswith(OTHER_ID)
    }
    assert owners() == {CHARGE_POINT_ID, OTHER_ID}
    hass.config_entries.async_remove_subentry(
        two.entry, wallbox_subentry(two.entry, OTHER_ID).subentry_id
    )
    await hass.async_block_till_done()
    assert device_of(hass, two.entry, OTHER_ID) is None
    assert device_of(hass, two.entry, CHARGE_POINT_ID) is not None
    assert device_of(hass, two.entry, "server") is not None
    assert owners() == {CHARGE_POINT_ID}
    after = er.async_entries_for_config_entry(entities, two.entry.entry_id)
    assert {entity.entity_id for entity in after} == kept
    await visit(two.url, client_context, CHARGE_POINT_ID)
    with pytest.raises(InvalidStatus) as refusal:
        await visit(two.url, client_context, OTHER_ID)
    assert refusal.value.response.status_code == HTTPStatus.NOT_FOUND


async def test_removed_and_added_again(
    hass: HomeAssistant, two: Site, client_context: ssl.SSLContext
) -> None:
    """A wallbox that was removed can be added again."""
    hass.config_entries.async_remove_subentry(
        two.entry, wallbox_subentry(two.entry, OTHER_ID).subentry_id
    )
    await hass.async_block_till_done()
    flow, _ = await subentry_flow(hass, two.entry)
    result = await flow.submit({"charge_point_id": OTHER_ID, "max_current": 16})
    assert result["type"] is FlowResultType.CREATE_ENTRY
    await hass.async_block_till_done()
    await visit(two.url, client_context, OTHER_ID)


# Edited by hand


def damage(
    hass: HomeAssistant, entry: MockConfigEntry, data: Any, kind: str = "wallbox"
) -> ConfigSubentry:
    """Add a subentry as it may have been stored."""
    subentry = ConfigSubentry(
        subentry_type=kind,
        title="Damaged",
        data=MappingProxyType(data),
        unique_id=OTHER_ID,
    )
    hass.config_entries.async_add_subentry(entry, subentry)
    return subentry


async def test_damaged_wallbox(hass: HomeAssistant, entry: MockConfigEntry) -> None:
    """It is left out, and its id is free once it is removed; the others go on."""
    subentry = damage(hass, entry, {"charge_point_id": OTHER_ID})
    assert await hass.config_entries.async_setup(entry.entry_id)
    await hass.async_block_till_done()
    assert set(entry.runtime_data.stations) == {CHARGE_POINT_ID}
    _, shown = await open_form(hass, entry)
    assert shown["max_current"] == 32  # there is only one
    _, result = await subentry_flow(hass, entry, subentry.subentry_id)
    assert result["reason"] == "damaged"
    flow, _ = await subentry_flow(hass, entry)
    result = await flow.submit({"charge_point_id": OTHER_ID, "max_current": 16})
    assert result["errors"] == {"charge_point_id": "already_configured"}
    hass.config_entries.async_remove_subentry(entry, subentry.subentry_id)
    result = await flow.submit({"charge_point_id": OTHER_ID, "max_current": 16})
    assert result["type"] is FlowResultType.CREATE_ENTRY
    await hass.async_block_till_done()
    assert set(entry.runtime_data.stations) == {CHARGE_POINT_ID, OTHER_ID}
    await hass.config_entries.async_unload(entry.entry_id)


@pytest.mark.parametrize("kind", ["victron_device", "bms"])
async def test_damaged_device(
    hass: HomeAssistant, entry: MockConfigEntry, site: Site, kind: str
) -> None:
    """There is nothing to change of a device without an address."""
    subentry = damage(hass, entry, {"address": 17}, kind)
    await hass.async_block_till_done()
    flow = Flow(hass.config_entries.subentries, "config_subentries", kind)
    result = await flow.start(
        (entry.entry_id, kind),
        source=SOURCE_RECONFIGURE,
        subentry_id=subentry.subentry_id,
    )
    assert result["reason"] == "damaged"
