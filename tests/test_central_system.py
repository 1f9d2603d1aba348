"""Who may connect, what every frame is answered with, and what the server bears."""

import asyncio
import base64
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime, timedelta
import json
import logging
from pathlib import Path
import shutil
import ssl
from typing import Any

from freezegun.api import FrozenDateTimeFactory
from homeassistant.core import HomeAssistant, callback
from homeassistant.helpers import entity_registry as er
from homeassistant.util import dt as dt_util
import pytest
from pytest_homeassistant_custom_component.common import (
    MockConfigEntry,
    async_fire_time_changed,
)
from websockets.asyncio.client import ClientConnection
from websockets.exceptions import ConnectionClosed, InvalidMessage
from websockets.typing import Subprotocol

from simulators import pki
from simulators.wallbox import DELTA, CallFailed, Car, SimulatedWallbox

from .kit.client import basic, dial, refused
from .kit.site import CHARGE_POINT_ID, Site, settle
from .kit.time import let_pass

# What a wallbox does, whichever Home Assistant it is shown by.
pytestmark = pytest.mark.any_homeassistant


MakeWallbox = Callable[..., SimulatedWallbox]
PASSWORD = "correct horse 16"
BOOT = {
    "reason": "PowerUp",
    "chargingStation": {"model": "EIAW-E22KTSE6B04", "vendorName": "Delta"},
}


def logged(caplog: pytest.LogCaptureFixture) -> str:
    """Give all that was logged, but by the client of the test itself."""
    return "\n".join(
        record.getMessage()
        for record in caplog.records
        if record.name != "websockets.client"
    )


async def answer(
    websocket: ClientConnection, action: str, payload: dict[str, Any]
) -> Any:
    """Make a call and give what answers it, past calls of the server."""
    message_id = f"id-{action}"
    await websocket.send(json.dumps([2, message_id, action, payload]))
    return await reply_to(websocket, message_id)


async def reply_to(websocket: ClientConnection, message_id: str) -> Any:
    """Wait for the answer to a message."""
    async with asyncio.timeout(5):
        while True:
            frame = json.loads(await websocket.recv())
            if frame[0] != 2 and frame[1] == message_id:
                return frame


@pytest.mark.parametrize(
    "path",
    [
        CHARGE_POINT_ID,
        CHARGE_POINT_ID.replace("*", "%2A"),
        CHARGE_POINT_ID.replace("*", "%2a"),
        CHARGE_POINT_ID.lower(),
        f"ocpp/{CHARGE_POINT_ID}",
        f"{CHARGE_POINT_ID}/{CHARGE_POINT_ID}",
        f"{CHARGE_POINT_ID}?x=1",
        f"{CHARGE_POINT_ID}/",
        f"{CHARGE_POINT_ID}//?x=/1/",
        f"/{CHARGE_POINT_ID}",
        f"//ocpp//{CHARGE_POINT_ID}/",
    ],
)
async def test_a_known_id_may_connect(
    site: Site, client_context: ssl.SSLContext, path: str
) -> None:
    """Percent-encoded or not, behind another path or not."""
    async with dial(site, client_context, path) as websocket:
        assert websocket.subprotocol == "ocpp2.0.1"
        frame = await answer(websocket, "BootNotification", BOOT)
        assert frame[2]["status"] == "Accepted"


@pytest.mark.parametrize(
    "path",
    ["", "//", "DE*BMW*ESOMEBODY", "%00", "x" * 49, "%ff%fe", "/[x", "/x:y@[::/"],
)
async def test_an_unknown_id_is_not_found(
    site: Site, client_context: ssl.SSLContext, path: str
) -> None:
    """404 before the upgrade."""
    assert (await refused(dial(site, client_context, path))).response.status_code == 404


async def test_refusals_are_logged_once_an_hour(
    site: Site,
    client_context: ssl.SSLContext,
    caplog: pytest.LogCaptureFixture,
    freezer: FrozenDateTimeFactory,
) -> None:
    """A box that keeps knocking does not fill the log; nor does one that tries ids."""

    def said() -> list[str]:
        return [
            record.getMessage()
            for record in caplog.records
            if record.levelno >= logging.WARNING and "knocks" in record.getMessage()
        ]

    for _ in range(5):
        await refused(dial(site, client_context, "DE*BMW*ESTRANGER"))
    assert len(said()) == 1
    assert "'DE*BMW*ESTRANGER'" in said()[0]
    freezer.tick(3601)
    await refused(dial(site, client_context, "DE*BMW*ESTRANGER"))
    assert len(said()) == 2
    for number in range(80):
        await refused(dial(site, client_context, f"guess-{number}"))
    assert len(said()) < 80
    freezer.tick(3601)
    await refused(dial(site, client_context, "DE*BMW*ELATER"))
    assert "'DE*BMW*ELATER'" in said()[-1]


async def test_strangers_do_not_keep_a_wallbox_out_of_the_log(
    site: Site, client_context: ssl.SSLContext, caplog: pytest.LogCaptureFixture
) -> None:
    """What is wrong with a known one is said, however many strangers came before."""
    for number in range(70):
        await refused(dial(site, client_context, f"guess-{number}"))
    await refused(dial(site, client_context, subprotocols=["ocpp1.6"]))
    assert "does not speak OCPP 2.0.1" in caplog.text


async def test_id_of_a_stranger_is_readable(
    site: Site, client_context: ssl.SSLContext, caplog: pytest.LogCaptureFixture
) -> None:
    """Decoded and without its slashes, to be copied from the log."""
    await refused(dial(site, client_context, "/DE%2ABMW%2AESTRANGER/"))
    assert "with the id 'DE*BMW*ESTRANGER'" in caplog.text


class TestWithPassword:
    """A wallbox with a password (security profile 2)."""

    @pytest.fixture
    def wallbox_data(self) -> dict[str, Any]:
        """Set a password."""
        return {
            "charge_point_id": CHARGE_POINT_ID,
            "max_current": 32,
            "password": PASSWORD,
        }

    async def test_the_right_password(
        self, hass: HomeAssistant, site: Site, make_wallbox: MakeWallbox
    ) -> None:
        """It may connect."""
        wallbox = make_wallbox(password=PASSWORD)
        await wallbox.connect()
        await settle(hass, wallbox)
        assert site.state("status") == "available"

    @pytest.mark.parametrize(
        "headers",
        [
            {},
            basic(CHARGE_POINT_ID, "wrong"),
            basic("DE*BMW*EOTHER", PASSWORD),
            basic(CHARGE_POINT_ID, ""),
            {"Authorization": "Basic !!!"},
            {"Authorization": "Basic"},
            {"Authorization": f"Bearer {PASSWORD}"},
            {"Authorization": "Basic " + base64.b64encode(b"\xff\xfe:x").decode()},
            {"Authorization": "Basic " + base64.b64encode(b"no colon").decode()},
        ],
        ids=str,
    )
    async def test_any_other(
        self,
        site: Site,
        client_context: ssl.SSLContext,
        caplog: pytest.LogCaptureFixture,
        headers: dict[str, str],
    ) -> None:
        """401 before the upgrade, and no password in the log."""
        dialing = dial(site, client_context, additional_headers=headers)
        refusal = await refused(dialing)
        assert refusal.response.status_code == 401
        assert refusal.response.headers["WWW-Authenticate"].startswith("Basic")
        assert PASSWORD not in logged(caplog)
        assert any("wrong password" in record.message for record in caplog.records)


@pytest.mark.parametrize("offer", [None, ["ocpp1.6"], ["ocpp2.1", "ocpp1.6"]])
async def test_another_subprotocol_is_refused(
    site: Site, client_context: ssl.SSLContext, offer: list[Subprotocol] | None
) -> None:
    """400 before the upgrade."""
    refusal = await refused(dial(site, client_context, subprotocols=offer))
    assert refusal.response.status_code == 400


async def test_the_right_one_among_others(
    site: Site, client_context: ssl.SSLContext
) -> None:
    """ocpp2.0.1 is picked from what is offered."""
    offer = [Subprotocol("ocpp2.1"), Subprotocol("ocpp2.0.1"), Subprotocol("ocpp1.6")]
    async with dial(site, client_context, subprotocols=offer) as websocket:
        assert websocket.subprotocol == "ocpp2.0.1"
        assert "permessage-deflate" in str(
            websocket.response and websocket.response.headers
        )


async def test_plain_ws_is_hung_up_on(site: Site) -> None:
    """Without TLS there is no answer at all."""
    with pytest.raises((InvalidMessage, ConnectionError, EOFError)):
        await dial(site, None)


async def fail_to_shake_hands(site: Site, address: str) -> None:
    """Speak no TLS, from an address of our own."""
    reader, writer = await asyncio.open_connection(
        "127.0.0.1", site.entry.data["port"], local_addr=(address, 0)
    )
    writer.write(b"GET / HTTP/1.1\r\n\r\n")
    with suppress(ConnectionError):
        await reader.read()
    writer.close()


def said_of_tls(caplog: pytest.LogCaptureFixture) -> list[str]:
    """Give what is in the log of handshakes."""
    return [
        record.getMessage()
        for record in caplog.records
        if record.levelno > logging.DEBUG and " TLS " in f" {record.getMessage()}"
    ]


async def test_many_addresses_do_not_fill_the_log(
    hass: HomeAssistant,
    site: Site,
    caplog: pytest.LogCaptureFixture,
    freezer: FrozenDateTimeFactory,
) -> None:
    """Of who has many, not each is told; when they are gone, the next is."""
    for number in range(2, 42):
        for _ in range(3):
            await fail_to_shake_hands(site, f"127.0.0.{number}")
    assert len(said_of_tls(caplog)) == 16
    await let_pass(hass, freezer, 3601)
    assert len(said_of_tls(caplog)) == 32
    for _ in range(3):
        await fail_to_shake_hands(site, "127.0.0.99")
    assert said_of_tls(caplog)[-1].startswith("127.0.0.99 tries to connect")


async def test_handshakes_that_fail_now_and_then_are_one_fault(
    hass: HomeAssistant,
    site: Site,
    client_context: ssl.SSLContext,
    caplog: pytest.LogCaptureFixture,
    freezer: FrozenDateTimeFactory,
) -> None:
    """It is over when none fails any more, not when one succeeds."""
    address = "127.0.0.1"
    for failures in (3, 1, 3, 1):
        for _ in range(failures):
            await fail_to_shake_hands(site, address)
        await refused(dial(site, client_context, "", subprotocols=None))
        await let_pass(hass, freezer, 500)
    assert len(said_of_tls(caplog)) == 1
    await let_pass(hass, freezer, 101)
    assert said_of_tls(caplog)[1:] == [f"TLS with {address} does not fail any more"]


async def test_a_fault_ends_where_the_clock_was_set_back(
    hass: HomeAssistant,
    entry: MockConfigEntry,
    client_context: ssl.SSLContext,
    caplog: pytest.LogCaptureFixture,
    freezer: FrozenDateTimeFactory,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A computer without a battery for its clock may start in the future."""
    ahead = timedelta(days=1)
    monkeypatch.setattr(dt_util, "utcnow", lambda: datetime.now(UTC) + ahead)
    assert await hass.config_entries.async_setup(entry.entry_id)
    await hass.async_block_till_done()
    await refused(dial(Site(hass, entry), client_context, "DE*BMW*ESTRANGER"))
    ahead = timedelta()
    await let_pass(hass, freezer, 3601)
    assert "'DE*BMW*ESTRANGER' does not knock any more" in caplog.text
    await hass.config_entries.async_unload(entry.entry_id)


@pytest.mark.parametrize("version", ["TLSv1", "TLSv1_1"])
async def test_old_tls_is_refused(
    site: Site, client_context: ssl.SSLContext, pki_files: pki.Files, version: str
) -> None:
    """TLS 1.2 or newer."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.load_verify_locations(str(pki_files.authority))
    context.set_ciphers("ALL:@SECLEVEL=0")
    # Old on purpose: that is what has to be refused.
    with pytest.warns(DeprecationWarning, match="TLS"):
        context.minimum_version = context.maximum_version = ssl.TLSVersion[version]
    with pytest.raises((ssl.SSLError, ConnectionError)):
        await dial(site, context)


async def test_a_newer_connection_replaces_the_older(
    hass: HomeAssistant, site: Site, make_wallbox: MakeWallbox
) -> None:
    """One live connection a charge point; the box never shows as disconnected."""
    shown: list[str] = []
    first, second = make_wallbox(), make_wallbox()
    await first.connect()
    await settle(hass, first)
    hass.bus.async_listen(
        "state_changed",
        callback(lambda event: shown.append(event.data["new_state"].state)),
    )
    await second.connect(boot=False)
    await first.wait_closed()
    await settle(hass, second)
    assert not first.connected
    assert "disconnected" not in shown
    assert site.state("status") == "available"
    await second.disconnect()
    await site.until("status", "disconnected")


async def test_pending_calls_fail_when_the_connection_is_replaced(
    hass: HomeAssistant, site: Site, make_wallbox: MakeWallbox
) -> None:
    """Nothing waits out its 30 s on a connection that is gone."""
    deaf = make_wallbox(replace(DELTA, lost_answers=frozenset(range(1, 100))))
    await deaf.connect(boot=False)
    await deaf.wait_until(lambda: bool(deaf.received_calls))
    second = make_wallbox()
    await second.connect()
    await settle(hass, second)
    assert site.device().model == "EIAW-E22KTSE6B04"


async def test_no_call_before_the_boot_is_answered(
    hass: HomeAssistant, site: Site, client_context: ssl.SSLContext
) -> None:
    """The first frame that a booting box receives is the answer to its boot."""
    async with dial(site, client_context) as websocket:
        await websocket.send(json.dumps([2, "boot", "BootNotification", BOOT]))
        first = json.loads(await websocket.recv())
        assert first[:2] == [3, "boot"]
        assert first[2]["interval"] > 0
        assert first[2]["currentTime"].endswith("Z")
        stamp = first[2]["currentTime"]
        assert len(stamp.partition(".")[2]) <= len("123Z")
        assert dt_util.parse_datetime(stamp) is not None


STATION_CALLS: list[tuple[str, dict[str, Any]]] = [
    ("Heartbeat", {}),
    ("Authorize", {"idToken": {"idToken": "04A1", "type": "ISO14443"}}),
    ("SecurityEventNotification", {"type": "SettingSystemTime", "timestamp": "T"}),
    ("NotifyReport", {"requestId": 9, "generatedAt": "T", "seqNo": 0}),
    (
        "NotifyEvent",
        {
            "generatedAt": "T",
            "seqNo": 0,
            "eventData": [
                {
                    "eventId": 1,
                    "timestamp": "T",
                    "trigger": "Periodic",
                    "actualValue": "1",
                    "eventNotificationType": "HardWiredNotification",
                    "component": {"name": "MeteringCtrlr"},
                    "variable": {"name": "Aggregation"},
                }
            ],
        },
    ),
    (
        "NotifyEVChargingNeeds",
        {
            "evseId": 1,
            "chargingNeeds": {"requestedEnergyTransfer": "AC_single_phase"},
        },
    ),
    (
        "NotifyEVChargingSchedule",
        {
            "timeBase": "T",
            "evseId": 1,
            "chargingSchedule": {
                "id": 1,
                "chargingRateUnit": "A",
                "chargingSchedulePeriod": [{"startPeriod": 0, "limit": 16}],
            },
        },
    ),
    ("NotifyChargingLimit", {"chargingLimit": {"chargingLimitSource": "SO"}}),
    ("ClearedChargingLimit", {"chargingLimitSource": "SO"}),
    (
        "ReportChargingProfiles",
        {
            "requestId": 1,
            "chargingLimitSource": "CSO",
            "evseId": 1,
            "chargingProfile": [
                {
                    "id": 1,
                    "stackLevel": 0,
                    "chargingProfilePurpose": "TxDefaultProfile",
                    "chargingProfileKind": "Relative",
                    "chargingSchedule": [
                        {
                            "id": 1,
                            "chargingRateUnit": "A",
                            "chargingSchedulePeriod": [{"startPeriod": 0, "limit": 6}],
                        }
                    ],
                }
            ],
        },
    ),
    ("FirmwareStatusNotification", {"status": "Idle"}),
    ("PublishFirmwareStatusNotification", {"status": "Idle"}),
    ("LogStatusNotification", {"status": "Idle"}),
    ("DataTransfer", {"vendorId": "x", "data": {"someKey": 1}}),
    ("NotifyMonitoringReport", {"requestId": 1, "seqNo": 0, "generatedAt": "T"}),
    (
        "NotifyCustomerInformation",
        {"data": "x", "seqNo": 0, "generatedAt": "T", "requestId": 1},
    ),
    ("NotifyDisplayMessages", {"requestId": 1}),
    (
        "ReservationStatusUpdate",
        {"reservationId": 1, "reservationUpdateStatus": "Expired"},
    ),
    ("SignCertificate", {"csr": "x"}),
    (
        "GetCertificateStatus",
        {
            "ocspRequestData": {
                "hashAlgorithm": "SHA256",
                "issuerNameHash": "x",
                "issuerKeyHash": "x",
                "serialNumber": "x",
                "responderURL": "x",
            }
        },
    ),
    (
        "Get15118EVCertificate",
        {"iso15118SchemaVersion": "x", "action": "Install", "exiRequest": "x"},
    ),
]


@pytest.mark.parametrize(
    ("action", "payload"), STATION_CALLS, ids=lambda value: str(value)[:30]
)
async def test_every_message_of_a_station_is_answered(
    make_wallbox: MakeWallbox, action: str, payload: dict[str, Any]
) -> None:
    """With a schema-valid answer: the simulator checks it, and asserts in the end."""
    wallbox = make_wallbox()
    await wallbox.connect()
    text = json.dumps(payload).replace('"T"', f'"{wallbox.wire_now()}"')
    result = await wallbox.send_call(action, json.loads(text))
    if action == "Heartbeat":
        assert result["currentTime"].endswith("Z")
    if action == "NotifyEVChargingNeeds":
        assert result["status"] == "Rejected", "anything else promises a profile"
    if action == "DataTransfer":
        assert result["status"] == "UnknownVendorId"


async def test_an_action_for_stations_is_not_supported_here(
    make_wallbox: MakeWallbox,
) -> None:
    """The wrong direction: NotSupported; a name of OCPP 1.6: NotImplemented."""
    wallbox = make_wallbox()
    await wallbox.connect()
    wrong = json.loads(await wallbox.exchange('[2,"a","Reset",{"type":"OnIdle"}]'))
    assert wrong[:3] == [4, "a", "NotSupported"]
    old = json.loads(await wallbox.exchange('[2,"b","StartTransaction",{}]'))
    assert old[:3] == [4, "b", "NotImplemented"]


BAD_FRAMES = [
    "not json",
    "{}",
    "[]",
    "null",
    "[2]",
    '[2,"a"]',
    '[2,"a","Heartbeat"]',
    '[2,"a",["Heartbeat"],{}]',
    '[2,"a",{"x":1},{}]',
    '[2,5,"Heartbeat",{}]',
    f'[2,"{"x" * 400}","Heartbeat",{{}}]',
    '[2,"a","Heartbeat",[]]',
    '[2,"a","Heartbeat",{"x":1}]',
    '[2,"a","Nonsense",{}]',
    '[9,"a","Heartbeat",{}]',
    "[" * 100_000,
    "[" * 2_000 + "]" * 2_000,
    f'[2,"a","DataTransfer",{{"vendorId":"x","data":{"[" * 900}{"]" * 900}}}]',
    f'[2,"a","Heartbeat",{{"x":{"9" * 5_000}}}]',
    '[2,"a","MeterValues",{"evseId":NaN,"meterValue":[]}]',
    '[2,"a","MeterValues",{"evseId":1e999,"meterValue":[]}]',
    '[2,"a","DataTransfer",{"vendorId":"\\ud800"}]',
    f'[2,"a","DataTransfer",{{"vendorId":"{"x" * (2 * 1024 * 1024)}"}}]',
]


@pytest.mark.parametrize("frame", BAD_FRAMES, ids=lambda frame: frame[:40])
async def test_no_bad_frame_ends_the_connection(
    site: Site,
    client_context: ssl.SSLContext,
    caplog: pytest.LogCaptureFixture,
    frame: str,
) -> None:
    """Each is answered with an error, and the next Heartbeat as if nothing were."""
    async with dial(site, client_context, max_size=None) as websocket:
        await websocket.send(frame)
        error = json.loads(await websocket.recv())
        while error[0] == 2:
            error = json.loads(await websocket.recv())
        assert error[0] == 4 or error[:2] == [3, "a"]
        if error[0] == 4:
            assert error[1] in ("-1", "a")
            assert error[4] == {}
            assert len(error[3]) <= 255
        assert (await answer(websocket, "Heartbeat", {}))[0] == 3
    assert not [record for record in caplog.records if record.levelno >= logging.ERROR]


@pytest.mark.parametrize(
    "frame", ['[3,"x",{}]', '[4,"x","e","",{}]', "[3]", '[4,"-1"]']
)
async def test_answers_to_nothing_are_dropped(
    site: Site, client_context: ssl.SSLContext, frame: str
) -> None:
    """No answer to an answer, and no harm."""
    async with dial(site, client_context) as websocket:
        for _ in range(50):
            await websocket.send(frame)
        assert (await answer(websocket, "Heartbeat", {}))[0] == 3


async def test_a_binary_frame_is_answered(
    site: Site, client_context: ssl.SSLContext
) -> None:
    """OCPP is text."""
    async with dial(site, client_context) as websocket:
        await websocket.send(b'[2,"a","Heartbeat",{}]')
        assert json.loads(await websocket.recv())[:3] == [4, "-1", "RpcFrameworkError"]
        assert (await answer(websocket, "Heartbeat", {}))[0] == 3


async def test_an_endless_frame_ends_with_1009(
    site: Site, client_context: ssl.SSLContext
) -> None:
    """Beyond all measure the connection is closed, with the code that says why."""
    async with dial(site, client_context, compression=None) as websocket:
        with suppress(ConnectionClosed):
            await websocket.send("x" * (5 * 1024 * 1024))
        await websocket.wait_closed()
        assert websocket.close_code == 1009


async def test_a_bad_frame_is_reported_once_and_without_its_content(
    site: Site, client_context: ssl.SSLContext, caplog: pytest.LogCaptureFixture
) -> None:
    """The log says what was wrong, not whose card it was."""
    token = "04SECRETCARD"
    async with dial(site, client_context) as websocket:
        for number in range(3):
            bad = {"idToken": {"idToken": token, "type": token}}
            await websocket.send(json.dumps([2, f"{number}", "Authorize", bad]))
            frame = await reply_to(websocket, f"{number}")
            assert frame[2] == "PropertyConstraintViolation"
            assert token not in json.dumps(frame)
    warnings = [
        record.getMessage()
        for record in caplog.records
        if record.levelno >= logging.WARNING and "refused" in record.getMessage()
    ]
    assert len(warnings) == 1
    assert "Authorize, idToken.type: enum" in warnings[0]
    assert token not in logged(caplog)


async def test_a_message_that_comes_twice_is_answered_the_same(
    hass: HomeAssistant, site: Site, client_context: ssl.SSLContext
) -> None:
    """Retried after a lost answer: answered again, applied once."""
    async with dial(site, client_context) as websocket:
        await answer(websocket, "BootNotification", BOOT)
        frame = json.dumps([2, "same", "BootNotification", BOOT])
        await websocket.send(frame)
        first = await reply_to(websocket, "same")
        await asyncio.sleep(0.002)  # or the time in both answers would be the same
        await websocket.send(frame)
        assert await reply_to(websocket, "same") == first


class TestCards:
    """A wallbox that may be used with certain cards only."""

    @pytest.fixture
    def wallbox_data(self) -> dict[str, Any]:
        """Allow one card, and what Home Assistant presents."""
        return {
            "charge_point_id": CHARGE_POINT_ID,
            "max_current": 32,
            "rfid_token": "HA-TOKEN",
            "allowed_tokens": ["04A1B2C3"],
        }

    @pytest.mark.parametrize(
        ("token", "kind", "status"),
        [
            ("04A1B2C3", "ISO14443", "Accepted"),
            ("04a1b2c3", "ISO14443", "Accepted"),
            ("ha-token", "Central", "Accepted"),
            ("04FFFFFF", "ISO14443", "Invalid"),
            ("", "NoAuthorization", "Accepted"),
        ],
    )
    async def test_authorize(
        self, make_wallbox: MakeWallbox, token: str, kind: str, status: str
    ) -> None:
        """A card is told whether it may charge; in an event as well."""
        wallbox = make_wallbox()
        await wallbox.connect()
        id_token = {"idToken": token, "type": kind}
        result = await wallbox.send_call("Authorize", {"idToken": id_token})
        assert result["idTokenInfo"]["status"] == status
        result = await wallbox.send_call(
            "TransactionEvent",
            {
                "eventType": "Started",
                "timestamp": wallbox.wire_now(),
                "triggerReason": "Authorized",
                "seqNo": 0,
                "offline": True,
                "transactionInfo": {"transactionId": "x"},
                "idToken": id_token,
            },
        )
        assert result["idTokenInfo"]["status"] == status


async def test_a_renewed_certificate_is_used_at_once(
    hass: HomeAssistant,
    site: Site,
    pki_files: pki.Files,
    tmp_path: Path,
    client_context: ssl.SSLContext,
    freezer: FrozenDateTimeFactory,
) -> None:
    """The next connection gets it; the ones that are open stay."""
    files = tmp_path / "live"
    shutil.copytree(pki_files.certificate.parent, files)
    entry = site.entry
    hass.config_entries.async_update_entry(
        entry,
        data={
            **entry.data,
            "ssl_cert": str(files / "fullchain.pem"),
            "ssl_key": str(files / "privkey.pem"),
        },
    )
    await hass.async_block_till_done()
    async with dial(site, client_context) as old:
        end = dt_util.utcnow().replace(microsecond=0) + timedelta(days=60)
        renewed = await hass.async_add_executor_job(_renew, files, end)
        with pytest.raises(ssl.SSLCertVerificationError):
            await dial(site, client_context)
        context = await hass.async_add_executor_job(renewed.client_context)
        async with dial(site, context) as new:
            assert (await answer(new, "BootNotification", BOOT))[0] == 3
        await old.wait_closed()
    freezer.tick(601)
    async_fire_time_changed(hass, dt_util.utcnow())
    await hass.async_block_till_done(wait_background_tasks=True)
    expiry = er.async_get(hass).async_get_entity_id(
        "sensor", "bmw_wallbox_victron", "server_certificate_expiry"
    )
    assert expiry is not None
    state = hass.states.get(expiry)
    assert state is not None
    assert dt_util.parse_datetime(state.state) == end


def _renew(folder: Path, end: Any) -> pki.Files:
    return pki.issue(folder, not_after=end)


async def test_a_slow_box_is_waited_for(
    hass: HomeAssistant, site: Site, make_wallbox: MakeWallbox
) -> None:
    """Answers that take long: one call at a time, none given up, messages served."""
    gate = asyncio.Event()

    async def slowly(_: float) -> None:
        await gate.wait()

    wallbox = make_wallbox(replace(DELTA, answer_delay_s=20.0), sleep=slowly)
    await wallbox.connect()
    await wallbox.plug_in(Car())
    await wallbox.tick(10)
    await hass.async_block_till_done()
    assert site.state("status") == "charging"
    assert site.state("energy_total") != "unknown"
    gate.set()
    await settle(hass, wallbox)
    assert len(wallbox.calls("SetVariables")) == 1


async def test_a_call_with_a_bad_payload_is_refused_to_the_simulator_too(
    make_wallbox: MakeWallbox,
) -> None:
    """The error code reaches the caller on the other side."""
    wallbox = make_wallbox()
    await wallbox.connect()
    with pytest.raises(CallFailed) as failure:
        await wallbox.send_call("StatusNotification", {})
    assert failure.value.code == "OccurrenceConstraintViolation"
