"""What Home Assistant tells its owner to mend: when it begins, and when it ends."""

import asyncio
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from datetime import timedelta
import logging
from pathlib import Path
import ssl
from typing import Any

from freezegun.api import FrozenDateTimeFactory
from homeassistant.config_entries import (
    SOURCE_IGNORE,
    ConfigEntryDisabler,
    ConfigEntryState,
)
from homeassistant.core import Event, HomeAssistant, callback
from homeassistant.exceptions import HomeAssistantError
from homeassistant.helpers import issue_registry as ir
from homeassistant.setup import async_setup_component
from homeassistant.util import dt as dt_util
import pytest
from pytest_homeassistant_custom_component.common import (
    MockConfigEntry,
    async_fire_time_changed,
)
from pytest_homeassistant_custom_component.typing import ClientSessionGenerator
from websockets.exceptions import InvalidMessage, InvalidStatus
from websockets.typing import Subprotocol

from custom_components.bmw_wallbox_victron.const import DOMAIN
from custom_components.bmw_wallbox_victron.problem import Problem
from custom_components.bmw_wallbox_victron.site_problems import async_get_problems
from custom_components.bmw_wallbox_victron.victron.records import Kind
from custom_components.bmw_wallbox_victron.wallbox.tls import HandshakeFailure
from simulators import pki
from simulators.wallbox import DELTA, SimulatedWallbox, SmartCharging

from .kit.bench import MakeBench, charge, turn_until
from .kit.client import basic, dial, refused, shake_hands, visit
from .kit.ports import listening
from .kit.radio import Radio
from .kit.site import CHARGE_POINT_ID, Site, settle
from .kit.strings import STRINGS, placeholders
from .kit.time import retry
from .kit.victron import GOOD

MakeWallbox = Callable[..., SimulatedWallbox]
STRANGER = "DE*BMW*ESTRANGER"
PASSWORD = "correct horse 16"
SECRETS = (PASSWORD, "wrong horse 1234", "04A1B2C3D4")


class Issues:
    """The issues that are shown, and what was written of them."""

    def __init__(self, hass: HomeAssistant) -> None:
        """Start to listen."""
        self.registry = ir.async_get(hass)
        self.changes: list[tuple[str, str]] = []
        hass.bus.async_listen(ir.EVENT_REPAIRS_ISSUE_REGISTRY_UPDATED, self._changed)

    @callback  # or it is called in a thread, late
    def _changed(self, event: Event[Any]) -> None:
        if event.data["domain"] == DOMAIN:
            self.changes.append((event.data["action"], event.data["issue_id"]))

    @property
    def all(self) -> list[ir.IssueEntry]:
        """Those that are shown. Each has its words, and no secret is among them."""
        shown = [
            issue
            for issue in self.registry.issues.values()
            if issue.domain == DOMAIN
            and issue.active
            and issue.dismissed_version is None
        ]
        for issue in shown:
            strings = STRINGS["issues"][issue.translation_key or ""]
            assert ("fix_flow" in strings) == issue.is_fixable
            given = issue.translation_placeholders or {}
            needed = placeholders(strings["title"] + strings.get("description", ""))
            assert needed <= given.keys()
            assert not any(secret in str(issue) for secret in SECRETS)
        return shown

    @property
    def keys(self) -> list[str | None]:
        """What is shown, by the key of its words."""
        return [issue.translation_key for issue in self.all]

    @property
    def only(self) -> ir.IssueEntry:
        """The one that is shown."""
        (issue,) = self.all
        return issue

    @property
    def words(self) -> dict[str, str]:
        """What the one that is shown is filled with."""
        return self.only.translation_placeholders or {}


@pytest.fixture
async def issues(hass: HomeAssistant) -> Issues:
    """Look at the issues, from before the site is set up."""
    return Issues(hass)


async def pass_time(
    hass: HomeAssistant, freezer: FrozenDateTimeFactory, seconds: float
) -> None:
    """Let time pass, and be looked at."""
    freezer.tick(seconds)
    async_fire_time_changed(hass)
    await hass.async_block_till_done(wait_background_tasks=True)


# Who knocks


async def test_a_stranger_is_shown_once(
    hass: HomeAssistant,
    issues: Issues,
    site: Site,
    make_wallbox: MakeWallbox,
    freezer: FrozenDateTimeFactory,
) -> None:
    """A box that knocks every 5 s is written once, and taken back when it is gone."""
    box = make_wallbox(charge_point_id=STRANGER)
    for _ in range(10):
        with pytest.raises(InvalidStatus):
            await box.connect()
        freezer.tick(5)
    assert issues.keys == ["unknown_charge_point"]
    assert issues.words == {"charge_point_id": STRANGER, "address": "127.0.0.1"}
    assert STRANGER not in issues.only.issue_id
    assert [action for action, _ in issues.changes] == ["create"]
    await pass_time(hass, freezer, 3000)
    assert issues.all
    await pass_time(hass, freezer, 601)
    assert not issues.all
    assert [action for action, _ in issues.changes] == ["create", "remove"]


async def test_a_reload_changes_nothing(
    hass: HomeAssistant,
    issues: Issues,
    site: Site,
    client_context: ssl.SSLContext,
    freezer: FrozenDateTimeFactory,
) -> None:
    """What was seen before a reload stands after it, and ends all the same."""
    await refused(dial(site, client_context, STRANGER))
    await hass.config_entries.async_reload(site.entry.entry_id)
    await hass.async_block_till_done()
    await refused(dial(site, client_context, STRANGER))
    assert [action for action, _ in issues.changes] == ["create"]
    await pass_time(hass, freezer, 3601)
    assert not issues.all


async def test_a_stranger_that_moves(
    issues: Issues,
    hass: HomeAssistant,
    site: Site,
    freezer: FrozenDateTimeFactory,
) -> None:
    """Another address is shown, but of who has a thousand not each is written."""
    problems = async_get_problems(hass)
    for number in range(200):
        problems.report(
            Problem.UNKNOWN_CHARGE_POINT, STRANGER, address=f"192.0.2.{number}"
        )
        freezer.tick(60)
    await hass.async_block_till_done()
    assert issues.words["address"] == "192.0.2.180"
    assert len(issues.changes) == 4


async def test_after_a_restart(hass: HomeAssistant, entry: MockConfigEntry) -> None:
    """What Home Assistant kept of a stranger is cleared away, unless it is ignored."""
    seen = Issues(hass)
    registry = seen.registry
    assert await hass.config_entries.async_setup(entry.entry_id)
    problems = async_get_problems(hass)
    for name in ("one", "two"):
        problems.report(Problem.UNKNOWN_CHARGE_POINT, name, address="192.0.2.1")
    one, two = (issue.issue_id for issue in seen.all)
    registry.async_ignore(DOMAIN, two, True)
    for key, issue in registry.issues.items():
        registry.issues[key] = replace(issue, active=False)
    await hass.config_entries.async_reload(entry.entry_id)
    assert registry.async_get_issue(DOMAIN, one) is None
    problems.report(Problem.UNKNOWN_CHARGE_POINT, "two", address="192.0.2.1")
    assert not seen.all


async def test_what_a_wallbox_says_is_no_markdown(
    hass: HomeAssistant, issues: Issues, site: Site
) -> None:
    """The reason for a refusal is somebody else's text."""
    async_get_problems(hass).report(
        Problem.LIMIT_NOT_ENFORCED,
        CHARGE_POINT_ID,
        reason="**no** [here](http://evil) <img>",
    )
    reason = issues.words["reason"]
    assert reason == r"\*\*no\*\* \[here\]\(http\://evil\) \<img\>"


async def test_many_strangers(
    hass: HomeAssistant,
    issues: Issues,
    site: Site,
    client_context: ssl.SSLContext,
    freezer: FrozenDateTimeFactory,
) -> None:
    """Somebody who tries ids has few of them shown, and pushes nobody out."""
    await refused(dial(site, client_context, STRANGER))
    for number in range(40):
        await refused(dial(site, client_context, f"guess-{number}"))
    assert len(issues.all) == 3
    assert len(issues.changes) == 3
    for number in range(10):
        freezer.tick(60)
        await refused(dial(site, client_context, STRANGER))
        await refused(dial(site, client_context, f"more-{number}"))
    shown = {(issue.data or {})["charge_point_id"] for issue in issues.all}
    assert len(shown) == 3
    assert STRANGER in shown
    assert len(issues.changes) < 15


@pytest.mark.parametrize(
    ("path", "shown"),
    [
        ("**bold**%20[x](http:%2f%2fevil)", "**bold**��x��http:��evil�"),
        ("`%0A%3Cb%3E", "��" + "�b�"),
        ("%E2%80%AEtxt", "�txt"),
    ],
)
async def test_an_id_that_cannot_be(
    issues: Issues, site: Site, client_context: ssl.SSLContext, path: str, shown: str
) -> None:
    """What a stranger says is shown without what means something, and not fixable."""
    await refused(dial(site, client_context, path))
    assert issues.keys == ["unusable_charge_point_id"]
    assert issues.words["charge_point_id"] == shown


@pytest.mark.parametrize(
    ("path", "offer"),
    [("favicon.ico", None), ("robots.txt", ["mqtt"]), ("", ["ocpp2.0.1"])],
)
async def test_scanners_are_not_shown(
    issues: Issues,
    site: Site,
    client_context: ssl.SSLContext,
    path: str,
    offer: list[Subprotocol] | None,
) -> None:
    """What speaks no OCPP, or has no id, is no wallbox."""
    await refused(dial(site, client_context, path, subprotocols=offer))
    assert not issues.all


async def test_a_box_that_wants_another_version_is_shown(
    issues: Issues, site: Site, client_context: ssl.SSLContext
) -> None:
    """Its protocol is wrong as well: first things first."""
    await refused(dial(site, client_context, STRANGER, subprotocols=["ocpp1.6"]))
    assert issues.keys == ["unknown_charge_point"]


# Who does not accept the certificate


@pytest.fixture
def shake(hass: HomeAssistant, site: Site) -> Callable[..., Any]:
    """Shake hands so many times."""

    async def times(
        number: int, context: ssl.SSLContext, host: str = "localhost"
    ) -> None:
        for _ in range(number):
            await hass.async_add_executor_job(shake_hands, site, context, host)
        await hass.async_block_till_done()

    return times


async def test_certificate_refused(
    hass: HomeAssistant,
    issues: Issues,
    site: Site,
    client_context: ssl.SSLContext,
    shake: Callable[..., Any],
    freezer: FrozenDateTimeFactory,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Shown once it is no accident, by its cause, and over with a good handshake."""
    stranger = ssl.create_default_context()
    await shake(2, stranger)
    assert not issues.all
    await shake(1, client_context)
    await shake(2, stranger)
    assert not issues.all
    await shake(5, stranger)
    assert issues.keys == ["certificate_refused_authority"]
    assert issues.words == {"address": "127.0.0.1", "alert": "unknown_ca"}
    assert [action for action, _ in issues.changes] == ["create"]
    # It was given the root, and has another name in its URL now.
    await shake(1, client_context, "wallbox.example.org")
    assert issues.keys == ["certificate_refused_name"]
    assert issues.words["host"] == "wallbox.example.org"
    assert issues.words["names"] == "localhost"
    await hass.config_entries.async_reload(site.entry.entry_id)
    await hass.async_block_till_done()
    assert issues.all
    await shake(1, client_context)
    assert not issues.all
    said = [
        record.getMessage()
        for record in caplog.records
        if record.levelno >= logging.INFO and " TLS " in f" {record.getMessage()} "
    ]
    assert len(said) == 2
    assert said[0].startswith("127.0.0.1 tries to connect again and again")
    assert "TLS fails (TLSV1_ALERT_UNKNOWN_CA)" in said[0]
    assert said[1] == "TLS with 127.0.0.1 does not fail any more"


async def test_certificate_refused_by_one_who_is_gone(
    hass: HomeAssistant,
    issues: Issues,
    shake: Callable[..., Any],
    freezer: FrozenDateTimeFactory,
) -> None:
    """After an hour it is history."""
    await shake(3, ssl.create_default_context())
    await pass_time(hass, freezer, 3000)
    assert issues.all
    await pass_time(hass, freezer, 601)
    assert not issues.all


async def test_certificate_that_has_expired_for_a_wallbox(
    hass: HomeAssistant,
    issues: Issues,
    entry: MockConfigEntry,
    own_files: Callable[[float], Any],
) -> None:
    """It is served, and the wallbox says what it thinks of that."""
    files = await own_files(-1)
    assert await hass.config_entries.async_setup(entry.entry_id)
    context = await hass.async_add_executor_job(files.client_context)
    for _ in range(3):
        await hass.async_add_executor_job(shake_hands, Site(hass, entry), context)
    await hass.async_block_till_done()
    assert issues.keys == ["certificate_invalid", "certificate_refused_expired"]
    await hass.config_entries.async_unload(entry.entry_id)


async def test_a_wallbox_that_knows_no_other_keys_than_rsa(
    issues: Issues,
    client_context: ssl.SSLContext,
    pki_files: pki.Files,
    shake: Callable[..., Any],
) -> None:
    """The certificate's key is another, as Let's Encrypt gives them."""
    old = ssl.create_default_context(cafile=str(pki_files.authority))
    old.maximum_version = ssl.TLSVersion.TLSv1_2
    old.set_ciphers("aRSA")
    await shake(3, old)
    assert issues.keys == ["certificate_refused_key"]
    await shake(1, client_context)
    assert not issues.all


async def test_a_wallbox_that_hangs_up(
    issues: Issues,
    site: Site,
    make_wallbox: MakeWallbox,
    client_context: ssl.SSLContext,
) -> None:
    """Some give no alert. It asked for our name, so that it is no scanner."""
    box = make_wallbox(ssl_context=ssl.create_default_context())
    for _ in range(3):
        with pytest.raises(OSError):
            await box.connect()
    await until(lambda: bool(issues.all))
    assert issues.keys == ["certificate_refused"]
    assert issues.words["alert"] == "none"
    assert issues.words["host"] == "localhost"
    box.ssl_context = client_context
    await box.connect()
    assert not issues.all


async def test_a_wallbox_that_looks_at_the_name_after_the_handshake(
    issues: Issues,
    site: Site,
    client_context: ssl.SSLContext,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """It then hangs up without a word, and another name is why."""
    lax = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    lax.check_hostname = False
    lax.verify_mode = ssl.CERT_NONE
    port = site.entry.data["port"]

    async def come(host: str, *, word: bytes = b"") -> None:
        reader, writer = await asyncio.open_connection(
            "127.0.0.1", port, ssl=lax, server_hostname=host
        )
        writer.write(word)
        writer.write_eof() if writer.can_write_eof() else writer.close()
        with suppress(OSError):
            await reader.read()

    for _ in range(5):  # what watches the certificate's expiry
        await come("localhost")
    for _ in range(2):
        await come("wallbox.example.org")
    await come("wallbox.example.org", word=b"GET / HTTP/1.1\r\n\r\n")
    for _ in range(2):
        await come("wallbox.example.org")
    assert not issues.all
    await come("wallbox.example.org")
    await until(lambda: bool(issues.all))
    assert issues.keys == ["certificate_refused_name"]
    async with dial(site, client_context):
        assert not issues.all
    # Who comes by an address asks for no name: the log has a line that says so.
    for _ in range(3):
        await come("")
    await until(lambda: "TLS fails (hung up after the handshake)" in caplog.text)
    assert not issues.all


async def test_refusals_once_in_a_while(
    hass: HomeAssistant,
    issues: Issues,
    shake: Callable[..., Any],
    freezer: FrozenDateTimeFactory,
) -> None:
    """A browser that is opened now and then is nothing to mend."""
    for _ in range(6):
        await shake(2, ssl.create_default_context())
        freezer.tick(3601)
    assert not issues.all


async def until(over: Callable[[], bool]) -> None:
    """Wait until the server has seen what a client did, 5 s at most."""
    async with asyncio.timeout(5):
        await turn_until(over)


async def test_scanners_refuse_no_certificate(
    issues: Issues, site: Site, caplog: pytest.LogCaptureFixture
) -> None:
    """They ask for no name, or do not speak TLS at all."""
    caplog.set_level(logging.DEBUG)
    strict = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    strict.check_hostname = False
    port = site.entry.data["port"]
    for _ in range(5):
        with pytest.raises(OSError):
            await asyncio.open_connection(
                "127.0.0.1", port, ssl=strict, server_hostname=""
            )
        _, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.close()
        with pytest.raises((OSError, EOFError, InvalidMessage)):
            await dial(site, None)
    await until(lambda: caplog.text.count("TLS handshake with 127.0.0.1 failed") == 15)
    assert not issues.all


@pytest.mark.parametrize(
    ("address", "shown"),
    [
        ("192.168.1.20", True),
        ("fe80::1%eth0", True),
        ("fd00::20", True),
        ("8.8.8.8", False),
        ("2606:4700::1", False),
        ("?", False),
    ],
)
async def test_who_refuses_from_far_away(
    issues: Issues, site: Site, address: str, shown: bool
) -> None:
    """Wallboxes are in the own network; the internet is full of who tries ports."""
    server = site.entry.runtime_data.server
    failure = HandshakeFailure(
        reason="SSLV3_ALERT_CERTIFICATE_UNKNOWN", certificate=server.certificate
    )
    for _ in range(3):
        server._central_system._on_handshake(address, failure)
    assert bool(issues.all) is shown


async def test_many_who_refuse(
    issues: Issues, site: Site, shake: Callable[..., Any]
) -> None:
    """Of a network full of them, few are shown, and a bounded number is counted."""
    central_system = site.entry.runtime_data.server._central_system
    failure = HandshakeFailure(
        reason="TLSV1_ALERT_UNKNOWN_CA", certificate=central_system.accepted
    )
    failure = replace(failure, certificate=site.entry.runtime_data.server.certificate)
    for number in range(200):
        for _ in range(3):
            central_system._on_handshake(f"10.0.0.{number}", failure)
    assert len(issues.all) == 3
    assert len(central_system._failures) <= 32


@pytest.mark.parametrize("offer", ["ocpp1.6", "ocpp2.1"])
async def test_a_wallbox_that_speaks_another_ocpp(
    hass: HomeAssistant,
    issues: Issues,
    site: Site,
    client_context: ssl.SSLContext,
    make_wallbox: MakeWallbox,
    freezer: FrozenDateTimeFactory,
    offer: str,
) -> None:
    """Shown once, with what it offers, until it connects rightly, or is gone."""
    for _ in range(3):
        await refused(dial(site, client_context, subprotocols=[offer, "`x`"]))
    assert issues.keys == ["wrong_protocol"]
    assert issues.words == {
        "name": "BMW Wallbox",
        "charge_point_id": CHARGE_POINT_ID,
        "offered": offer,
    }
    assert len(issues.changes) == 1
    box = make_wallbox()
    await box.connect()
    await settle(hass, box)
    assert not issues.all
    await refused(dial(site, client_context, subprotocols=None))
    assert issues.words["offered"] == "-"
    await pass_time(hass, freezer, 3601)
    assert not issues.all


async def test_a_browser_speaks_no_other_ocpp(
    issues: Issues, site: Site, client_context: ssl.SSLContext
) -> None:
    """Whoever types the whole address into one sees a page, and no more."""
    reader, writer = await asyncio.open_connection(
        "localhost", site.entry.data["port"], ssl=client_context
    )
    writer.write(f"GET /{CHARGE_POINT_ID} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
    assert (await reader.readline()).startswith(b"HTTP/1.1 400")
    writer.close()
    assert not issues.all


class FixFlow:
    """A repair in the frontend."""

    def __init__(self, client: Any) -> None:
        """Take the client."""
        self._client = client
        self._url = "/api/repairs/issues/fix"

    async def start(self, issue: ir.IssueEntry) -> dict[str, Any]:
        """Open an issue."""
        return await self._post(
            self._url, {"handler": DOMAIN, "issue_id": issue.issue_id}
        )

    async def answer(self, flow: dict[str, Any], **answer: Any) -> dict[str, Any]:
        """Answer what is asked."""
        return await self._post(f"{self._url}/{flow['flow_id']}", answer)

    async def _post(self, url: str, data: dict[str, Any]) -> dict[str, Any]:
        response = await self._client.post(url, json=data)
        assert response.status == 200, await response.text()
        result: dict[str, Any] = await response.json()
        self._check(result)
        return result

    def _check(self, result: dict[str, Any]) -> None:
        """Find the words for all that is shown, and what fills their blanks."""
        strings = STRINGS["issues"]["unknown_charge_point"]["fix_flow"]
        if result["type"] == "abort":
            assert strings["abort"][result["reason"]]
            return
        if result["type"] == "create_entry":
            return
        step = strings["step"][result["step_id"]]
        given = set(result["description_placeholders"])
        assert placeholders(step["title"] + step["description"]) <= given
        if result["type"] == "menu":
            assert set(result["menu_options"]) == step["menu_options"].keys()
            assert (
                set(result["menu_options"]) == step["menu_option_descriptions"].keys()
            )
        else:
            fields = {field["name"] for field in result["data_schema"]}
            assert fields == step["data"].keys() == step["data_description"].keys()
            assert set((result["errors"] or {}).values()) <= strings["error"].keys()


@pytest.fixture
async def fix(
    hass: HomeAssistant, site: Site, hass_client: ClientSessionGenerator
) -> FixFlow:
    """Repair as the frontend does."""
    assert await async_setup_component(hass, "repairs", {})
    return FixFlow(await hass_client())


async def test_a_stranger_is_added(
    hass: HomeAssistant,
    issues: Issues,
    fix: FixFlow,
    site: Site,
    make_wallbox: MakeWallbox,
) -> None:
    """The fix flow adds it as a wallbox; it is let in, and the issue is gone."""
    box = make_wallbox(charge_point_id=STRANGER)
    with pytest.raises(InvalidStatus):
        await box.connect()
    menu = await fix.start(issues.only)
    form = await fix.answer(menu, next_step_id="wallbox")
    assert form["step_id"] == "wallbox"
    (field,) = [
        field for field in form["data_schema"] if field["name"] == "charge_point_id"
    ]
    assert field["description"]["suggested_value"] == STRANGER
    for wrong, error in (
        ("no blanks", "invalid_charge_point_id"),
        (CHARGE_POINT_ID.lower(), "already_configured"),
    ):
        form = await fix.answer(form, charge_point_id=wrong, max_current=16)
        assert form["errors"] == {"charge_point_id": error}
    result = await fix.answer(form, charge_point_id=STRANGER, max_current=16)
    assert result["type"] == "create_entry"
    await hass.async_block_till_done()
    assert not issues.all
    added = [
        subentry
        for subentry in site.entry.subentries.values()
        if subentry.unique_id == STRANGER
    ]
    assert [subentry.title for subentry in added] == [f"BMW Wallbox {STRANGER}"]
    assert dict(added[0].data) == {"charge_point_id": STRANGER, "max_current": 16}
    await box.connect()
    await settle(hass, box)
    assert site.state("status", owner=STRANGER) == "available"


async def test_another_one_is_added(
    hass: HomeAssistant,
    issues: Issues,
    fix: FixFlow,
    site: Site,
    client_context: ssl.SSLContext,
) -> None:
    """Who knocks on after all that is shown again."""
    await refused(dial(site, client_context, STRANGER))
    form = await fix.answer(await fix.start(issues.only), next_step_id="wallbox")
    await fix.answer(form, charge_point_id="DE*BMW*EOTHER", max_current=16)
    await hass.async_block_till_done()
    assert not issues.all
    await refused(dial(site, client_context, STRANGER))
    assert issues.keys == ["unknown_charge_point"]


async def test_a_stranger_is_added_by_hand(
    hass: HomeAssistant,
    issues: Issues,
    site: Site,
    client_context: ssl.SSLContext,
) -> None:
    """However it is added, the issue is gone."""
    await refused(dial(site, client_context, STRANGER))
    flow = await hass.config_entries.subentries.async_init(
        (site.entry.entry_id, "wallbox"), context={"source": "user"}
    )
    await hass.config_entries.subentries.async_configure(
        flow["flow_id"], {"charge_point_id": STRANGER.lower(), "max_current": 16}
    )
    await hass.async_block_till_done()
    assert not issues.all


async def test_a_stranger_is_ignored(
    hass: HomeAssistant,
    issues: Issues,
    fix: FixFlow,
    site: Site,
    client_context: ssl.SSLContext,
    freezer: FrozenDateTimeFactory,
) -> None:
    """Ignored is ignored: after hours of silence, after a reload, for good."""
    await refused(dial(site, client_context, STRANGER))
    menu = await fix.start(issues.only)
    result = await fix.answer(menu, next_step_id="ignore")
    assert result["reason"] == "ignored"
    assert not issues.all
    await pass_time(hass, freezer, 3601)
    await hass.config_entries.async_reload(site.entry.entry_id)
    await hass.async_block_till_done()
    changes = len(issues.changes)
    for number in range(3):
        await refused(dial(site, client_context, STRANGER))
        await refused(dial(site, client_context, f"other-{number}"))
    assert len(issues.all) == 3
    assert len(issues.changes) == changes + 3


async def test_fix_flow_of_an_entry_that_is_gone(
    hass: HomeAssistant,
    issues: Issues,
    fix: FixFlow,
    site: Site,
    client_context: ssl.SSLContext,
) -> None:
    """A window that was left open says so."""
    await refused(dial(site, client_context, STRANGER))
    menu = await fix.start(issues.only)
    await hass.config_entries.async_remove(site.entry.entry_id)
    assert not issues.all
    result = await fix.answer(menu, next_step_id="wallbox")
    assert result["reason"] == "entry_removed"


async def test_disabled(
    hass: HomeAssistant, issues: Issues, site: Site, client_context: ssl.SSLContext
) -> None:
    """What is switched off has nothing to say."""
    await refused(dial(site, client_context, STRANGER))
    # That of an ignored device is another entry.
    ignored = MockConfigEntry(domain=DOMAIN, source=SOURCE_IGNORE, unique_id="x")
    ignored.add_to_hass(hass)
    await hass.config_entries.async_remove(ignored.entry_id)
    assert issues.all
    await hass.config_entries.async_set_disabled_by(
        site.entry.entry_id, ConfigEntryDisabler.USER
    )
    await hass.async_block_till_done()
    assert not issues.all


class TestWithPassword:
    """A wallbox with a password."""

    @pytest.fixture
    def wallbox_data(self) -> dict[str, Any]:
        """Set a password."""
        return {
            "charge_point_id": CHARGE_POINT_ID,
            "max_current": 32,
            "password": PASSWORD,
            "rfid_token": "04A1B2C3D4",
        }

    async def test_wrong_password(
        self,
        hass: HomeAssistant,
        issues: Issues,
        site: Site,
        make_wallbox: MakeWallbox,
    ) -> None:
        """It is shown once, stands over a reload, and ends with the right one."""
        box = make_wallbox(password="wrong horse 1234")
        for _ in range(3):
            with pytest.raises(InvalidStatus):
                await box.connect()
        assert issues.keys == ["wrong_password"]
        assert issues.words == {
            "name": "BMW Wallbox",
            "charge_point_id": CHARGE_POINT_ID,
            "address": "127.0.0.1",
        }
        await hass.config_entries.async_reload(site.entry.entry_id)
        await hass.async_block_till_done()
        assert len(issues.changes) == 1
        assert issues.all
        box.password = PASSWORD
        await box.connect()
        await settle(hass, box)
        assert not issues.all

    async def test_wrong_password_of_one_who_is_gone(
        self,
        hass: HomeAssistant,
        issues: Issues,
        site: Site,
        client_context: ssl.SSLContext,
        freezer: FrozenDateTimeFactory,
    ) -> None:
        """After an hour it is history."""
        headers = basic(CHARGE_POINT_ID, "wrong horse 1234")
        await refused(dial(site, client_context, additional_headers=headers))
        await pass_time(hass, freezer, 3000)
        assert issues.all
        await pass_time(hass, freezer, 601)
        assert not issues.all

    @pytest.mark.parametrize("how", ["changed", "removed"])
    async def test_wrong_password_of_before(
        self,
        hass: HomeAssistant,
        issues: Issues,
        site: Site,
        client_context: ssl.SSLContext,
        how: str,
    ) -> None:
        """With another password here, nothing is known; nor without the wallbox."""
        headers = basic(CHARGE_POINT_ID, "wrong horse 1234")
        await refused(dial(site, client_context, additional_headers=headers))
        (subentry,) = site.entry.subentries.values()
        if how == "changed":
            hass.config_entries.async_update_subentry(
                site.entry, subentry, data={**subentry.data, "password": "another"}
            )
        else:
            hass.config_entries.async_remove_subentry(site.entry, subentry.subentry_id)
        await hass.async_block_till_done()
        assert not issues.all


# The server


async def test_port_in_use(
    hass: HomeAssistant,
    issues: Issues,
    entry: MockConfigEntry,
    freezer: FrozenDateTimeFactory,
) -> None:
    """It is shown while it is so, and gone once the port is free."""
    with listening(entry.data["port"]):
        await hass.config_entries.async_setup(entry.entry_id)
        assert issues.keys == ["port_in_use"]
        assert issues.words == {"port": str(entry.data["port"])}
        await retry(hass, freezer)
        assert [action for action, _ in issues.changes] == ["create"]
    await retry(hass, freezer)
    assert entry.state is ConfigEntryState.LOADED
    assert not issues.all


@pytest.mark.parametrize("how", ["disabled", "removed", "no server"])
async def test_port_that_nobody_needs(
    hass: HomeAssistant, issues: Issues, entry: MockConfigEntry, how: str
) -> None:
    """A port that is not wanted any more is nobody's trouble."""
    with listening(entry.data["port"]):
        await hass.config_entries.async_setup(entry.entry_id)
        assert issues.all
        if how == "disabled":
            await hass.config_entries.async_set_disabled_by(
                entry.entry_id, ConfigEntryDisabler.USER
            )
        elif how == "removed":
            await hass.config_entries.async_remove(entry.entry_id)
        else:
            hass.config_entries.async_update_entry(entry, data={})
            await hass.config_entries.async_reload(entry.entry_id)
        await hass.async_block_till_done()
    assert not issues.all


@pytest.fixture
async def own_files(
    hass: HomeAssistant, entry: MockConfigEntry, tmp_path: Path
) -> Callable[[float], Any]:
    """Issue certificates for the entry, valid for so many days."""

    async def issue(days: float) -> pki.Files:
        now = dt_util.utcnow()
        files = await hass.async_add_executor_job(
            lambda: pki.issue(
                tmp_path,
                not_before=now - timedelta(days=60),
                not_after=now + timedelta(days=days),
            )
        )
        paths = {"ssl_cert": str(files.certificate), "ssl_key": str(files.key)}
        if entry.data["ssl_cert"] != paths["ssl_cert"]:
            hass.config_entries.async_update_entry(entry, data={**entry.data, **paths})
        return files

    return issue


async def test_certificate_expires(
    hass: HomeAssistant,
    issues: Issues,
    entry: MockConfigEntry,
    own_files: Callable[[float], Any],
    freezer: FrozenDateTimeFactory,
) -> None:
    """Told two weeks before, told when it has, and over when it is renewed."""
    files = await own_files(15.5)
    await hass.config_entries.async_setup(entry.entry_id)
    assert not issues.all
    await pass_time(hass, freezer, 2 * 86400)
    assert issues.keys == ["certificate_expires"]
    assert issues.words["days"] == "13"
    assert issues.words["path"] == str(files.certificate)
    for _ in range(5):
        await pass_time(hass, freezer, 601)
    assert len(issues.changes) == 1
    await pass_time(hass, freezer, 86400)
    assert issues.words["days"] == "12"
    await hass.config_entries.async_reload(entry.entry_id)
    assert len(issues.changes) == 2
    await pass_time(hass, freezer, 13 * 86400)
    assert issues.keys == ["certificate_invalid"]
    assert "expired" in issues.words["reason"]
    await own_files(90)
    await pass_time(hass, freezer, 601)
    assert not issues.all
    assert entry.state is ConfigEntryState.LOADED


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"names": ("b.example.org",)}, "`localhost`"),
        ({"without_chain": True}, "fullchain.pem"),
        ({"self_signed": True}, "self-signed"),
    ],
    ids=["another name", "without its chain", "self-signed"],
)
async def test_renewed_certificate_that_wallboxes_refuse(
    hass: HomeAssistant,
    issues: Issues,
    entry: MockConfigEntry,
    own_files: Callable[[float], Any],
    freezer: FrozenDateTimeFactory,
    settings: dict[str, Any],
    words: str,
) -> None:
    """Said once it was picked up, with what to do, and over with the next good one.

    The name by which the wallbox came outlives a restart.
    """
    files = await own_files(90)
    assert await hass.config_entries.async_setup(entry.entry_id)
    url = Site(hass, entry).url
    await visit(url, await hass.async_add_executor_job(files.client_context))
    await pass_time(hass, freezer, 601)
    assert not issues.all
    folder = files.certificate.parent
    await hass.async_add_executor_job(lambda: pki.issue(folder, **settings))
    await hass.config_entries.async_reload(entry.entry_id)
    await pass_time(hass, freezer, 601)
    await pass_time(hass, freezer, 601)
    assert issues.keys == ["certificate_untrusted"]
    assert words in issues.words["reason"]
    assert issues.words["path"] == str(files.certificate)
    host = settings.get("names", ("localhost",))[0]
    assert issues.words["url"] == f"wss://{host}:{entry.data['port']}"
    assert len(issues.changes) == 1
    await own_files(90)
    if settings.get("self_signed"):  # mended by what reloads
        await hass.config_entries.async_reload(entry.entry_id)
    else:
        await pass_time(hass, freezer, 601)
    assert not issues.all


async def test_renewed_certificate_that_a_wallbox_accepts(
    hass: HomeAssistant,
    issues: Issues,
    entry: MockConfigEntry,
    own_files: Callable[[float], Any],
    freezer: FrozenDateTimeFactory,
) -> None:
    """One that gets in with it is the proof, at once and for good."""
    files = await own_files(90)
    folder = files.certificate.parent
    await hass.async_add_executor_job(lambda: pki.issue(folder, without_chain=True))
    assert await hass.config_entries.async_setup(entry.entry_id)
    assert not issues.all
    await pass_time(hass, freezer, 601)
    assert issues.keys == ["certificate_untrusted"]
    context = await hass.async_add_executor_job(files.client_context)
    await visit(Site(hass, entry).url, context)
    assert not issues.all
    await pass_time(hass, freezer, 601)
    assert not issues.all


async def test_certificate_that_cannot_be_used(
    hass: HomeAssistant,
    issues: Issues,
    entry: MockConfigEntry,
    own_files: Callable[[float], Any],
    freezer: FrozenDateTimeFactory,
) -> None:
    """From the start it keeps the server from starting; the file is named."""
    files = await own_files(90)
    await hass.async_add_executor_job(files.key.unlink)
    assert not await hass.config_entries.async_setup(entry.entry_id)
    assert issues.keys == ["certificate_invalid"]
    assert issues.words == {
        "path": str(files.key),
        "reason": STRINGS["config"]["error"]["not_found"],
    }
    await retry(hass, freezer)
    assert len(issues.changes) == 1
    await own_files(90)
    await retry(hass, freezer)
    assert entry.state is ConfigEntryState.LOADED
    assert not issues.all


async def test_certificate_that_breaks(
    hass: HomeAssistant,
    issues: Issues,
    entry: MockConfigEntry,
    own_files: Callable[[float], Any],
    freezer: FrozenDateTimeFactory,
) -> None:
    """A renewal that went wrong is shown while the one before still serves."""
    files = await own_files(90)
    await hass.config_entries.async_setup(entry.entry_id)
    assert not issues.all
    await hass.async_add_executor_job(files.certificate.write_text, "rubbish")
    await pass_time(hass, freezer, 601)
    assert issues.keys == ["certificate_invalid"]
    assert issues.words["path"] == str(files.certificate)
    assert entry.state is ConfigEntryState.LOADED
    await own_files(90)
    await pass_time(hass, freezer, 601)
    assert not issues.all


# A wallbox that cannot limit

UNABLE = replace(DELTA, smart_charging=SmartCharging.NOT_IMPLEMENTED)


async def test_that_it_cannot_limit(
    hass: HomeAssistant, issues: Issues, make_bench: MakeBench
) -> None:
    """It is shown from its first answer on, also while it is away, until it can."""
    bench = make_bench(UNABLE)
    assert not issues.all
    for boot in (True, False):
        await bench.connect(boot=boot)
        await bench.pass_time(10)
        assert issues.keys == ["cannot_limit"]
        assert issues.words == {
            "name": "BMW Wallbox",
            "charge_point_id": CHARGE_POINT_ID,
        }
        assert issues.only.severity is ir.IssueSeverity.WARNING
        await bench.box.disconnect()
        await bench.rest()
        assert issues.keys == ["cannot_limit"]
    assert [action for action, _ in issues.changes] == ["create"]
    # After an update it can.
    bench.box.quirks = DELTA
    await bench.connect()
    await bench.pass_time(10)
    assert not issues.all
    assert [action for action, _ in issues.changes] == ["create", "remove"]


async def test_that_it_says_so_itself(issues: Issues, make_bench: MakeBench) -> None:
    """Its device model is enough, though it takes what it is sent."""
    bench = make_bench(replace(DELTA, smart_charging_unavailable=True))
    await bench.connect()
    await bench.pass_time(10)
    assert issues.keys == ["cannot_limit"]


async def test_that_a_limit_is_refused_is_something_else(
    issues: Issues, make_bench: MakeBench
) -> None:
    """Who refuses limits may take one later."""
    bench = make_bench(replace(DELTA, smart_charging=SmartCharging.REJECTED))
    await bench.connect()
    bench.limit(10)
    await bench.pass_time(60, step=3)
    assert issues.keys == ["limit_not_enforced"]
    await bench.outcome()


async def test_a_limit_for_one_that_cannot_limit(
    issues: Issues, make_bench: MakeBench, caplog: pytest.LogCaptureFixture
) -> None:
    """Two notices, which say nothing that does not help; one line in the log."""
    bench = make_bench(UNABLE)
    await charge(bench)
    bench.limit(10)
    await bench.pass_time(12)
    assert await bench.fail() == "cannot_limit"
    both = ["cannot_limit", "limit_without_effect"]
    assert sorted(map(str, issues.keys)) == both
    for issue in issues.all:
        about = STRINGS["issues"][issue.translation_key or ""]["description"]
        assert "tried again" not in about
    # Neither while it is away, though it is asked anew afterwards.
    await bench.box.disconnect()
    await bench.rest()
    assert sorted(map(str, issues.keys)) == both
    await bench.connect(boot=False)
    await bench.pass_time(10)
    assert sorted(map(str, issues.keys)) == both
    assert len(issues.changes) == 2
    assert caplog.text.count("cannot limit the current") == 1
    assert "does not keep the limit" not in caplog.text
    bench.press("stop_charging")
    await bench.pass_time(12)
    await bench.succeed()
    assert issues.keys == ["cannot_limit"]
    # After an update the limit holds.
    await bench.box.disconnect()
    bench.box.quirks = DELTA
    await bench.connect()
    bench.press("start_charging")
    await bench.pass_time(20)
    assert not issues.all


async def test_one_that_never_could_limit(
    hass: HomeAssistant, issues: Issues, site: Site, make_wallbox: MakeWallbox
) -> None:
    """Who ignores that is told of it no more, over a reload as well."""
    box = make_wallbox(UNABLE)
    await box.connect()
    await settle(hass, box)
    issues.registry.async_ignore(DOMAIN, issues.only.issue_id, True)
    await box.disconnect()
    await hass.config_entries.async_reload(site.entry.entry_id)
    await hass.async_block_till_done()
    await box.connect()
    await settle(hass, box)
    assert not issues.all


@pytest.mark.parametrize("how", ["unloaded", "wallbox removed", "removed"])
async def test_one_that_could_not_limit(
    hass: HomeAssistant,
    issues: Issues,
    site: Site,
    make_wallbox: MakeWallbox,
    how: str,
) -> None:
    """Of what is not looked after nothing is shown."""
    box = make_wallbox(UNABLE)
    await box.connect()
    await settle(hass, box)
    with pytest.raises(HomeAssistantError):
        await hass.services.async_call(
            "number",
            "set_value",
            {"entity_id": site.entity_id("number", "current_limit"), "value": 10},
            blocking=True,
        )
    assert len(issues.all) == 2
    if how == "unloaded":
        await hass.config_entries.async_unload(site.entry.entry_id)
    elif how == "removed":
        await hass.config_entries.async_remove(site.entry.entry_id)
    else:
        (subentry,) = site.entry.subentries.values()
        hass.config_entries.async_remove_subentry(site.entry, subentry.subentry_id)
    await hass.async_block_till_done()
    assert not issues.all


# Victron


async def test_wrong_key_is_an_issue(
    hass: HomeAssistant,
    issues: Issues,
    caravan: Site,
    radio: Radio,
    freezer: FrozenDateTimeFactory,
) -> None:
    """Home Assistant's own issue leads to the form that names the device."""

    def own() -> list[ir.IssueEntry]:
        return [
            issue
            for issue in issues.registry.issues.values()
            if issue.translation_key == "config_entry_reauth"
        ]

    for _ in range(20):
        radio.say(Kind.BATTERY_MONITOR, GOOD[Kind.BATTERY_MONITOR], key=bytes(16))
        freezer.tick(10)
    await hass.async_block_till_done()
    (issue,) = own()
    assert issue.issue_domain == DOMAIN
    flow = hass.config_entries.flow.async_get(str((issue.data or {})["flow_id"]))
    assert flow["context"].get("title_placeholders") == {"name": "Victron 01"}
    assert not issues.all
    for _ in range(3):
        radio.say(Kind.BATTERY_MONITOR, GOOD[Kind.BATTERY_MONITOR])
        freezer.tick(10)
    await hass.async_block_till_done()
    assert not own()
