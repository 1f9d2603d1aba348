"""Adding the caravan's devices, with a client that plays Home Assistant's API."""

from typing import Any

import pytest

from demo import adding
from demo.layout import DOMAIN
from demo.past.days import Statistic
from simulators.caravan.identity import IDENTITIES, SHUNT


class FakeClient:
    """Home Assistant's API as far as adding needs it."""

    def __init__(self, *added: str, result: dict[str, Any] | None = None) -> None:
        self.added = set(added)
        self.result = result or {"type": "abort", "reason": "victron_added"}
        self.flows = {each.address: each for each in IDENTITIES}
        self.answers: list[dict[str, str]] = []
        self.home: dict[str, Any] = {"favorite_entities": ["sensor.mine"], "x": 1}
        self.entities: list[dict[str, Any]] = []
        self.sources: list[dict[str, Any]] = []
        self.imported: dict[str, list[dict[str, Any]]] = {}

    async def ask(self, command: str, **fields: Any) -> Any:
        match command:
            case "config_entries/get":
                return [{"entry_id": "1"}]
            case "config_entries/subentries/list":
                return [{"unique_id": each} for each in (*self.added, None, "DE*BMW")]
            case "config_entries/flow/progress":
                ours = [
                    {
                        "flow_id": address,
                        "handler": handler,
                        "context": {"source": "bluetooth"},
                    }
                    for address in self.flows.keys() - self.added
                    for handler in ("victron_ble", "bmw_wallbox_victron")
                ]
                reauth = {**ours[0], "context": {"source": "reauth"}} if ours else None
                return [*([reauth] if reauth else []), *ours]
            case "config/entity_registry/list":
                return self.entities
            case "frontend/get_system_data":
                return {"value": self.home}
            case "frontend/set_system_data":
                self.home = fields["value"]
                return None
            case "energy/get_prefs":
                return {"energy_sources": self.sources}
            case "energy/save_prefs":
                self.sources = fields["energy_sources"]
                return None
            case "recorder/import_statistics":
                self.imported[fields["metadata"]["statistic_id"]] = fields["stats"]
                return None
        raise AssertionError(command)

    async def get(self, path: str) -> Any:
        address = path.rpartition("/")[2]
        others = {"options": [{"value": each} for each in self.flows]}
        return {
            "flow_id": address,
            "data_schema": [
                {"name": "address", "default": address, "selector": others},
                {"name": "encryption_key"},
            ],
        }

    async def post(self, path: str, body: dict[str, str]) -> Any:
        assert path == f"/api/config/config_entries/flow/{body['address']}"
        self.answers.append(body)
        if self.result["type"] != "form":
            self.added.add(body["address"])
        return self.result

    def add_entities(
        self,
        *unique_ids: str,
        platform: str = DOMAIN,
        disabled_by: str | None = None,
    ) -> None:
        self.entities += [
            {
                "entity_id": f"sensor.{unique_id}",
                "unique_id": unique_id,
                "platform": platform,
                "disabled_by": disabled_by,
            }
            for unique_id in unique_ids
        ]


async def add_all(client: FakeClient) -> set[str]:
    return {each.name for each in await adding.add_all(client)}  # type: ignore[arg-type] # plays one


async def test_all_are_added_with_their_own_keys() -> None:
    client = FakeClient()
    assert await add_all(client) == {each.name for each in IDENTITIES}
    assert {(each["address"], each["encryption_key"]) for each in client.answers} == {
        (each.address, each.key.hex()) for each in IDENTITIES
    }


async def test_what_was_added_before_stays() -> None:
    client = FakeClient(*(each.address for each in IDENTITIES))
    assert await add_all(client) == set()
    client = FakeClient(SHUNT.address)
    assert len(await add_all(client)) == 2
    assert client.added == {each.address for each in IDENTITIES}


@pytest.mark.parametrize(
    ("result", "text"),
    [
        ({"type": "form", "errors": {"encryption_key": "wrong_key"}}, "wrong_key"),
        ({"type": "abort", "reason": "already_configured"}, "already_configured"),
    ],
)
async def test_a_device_that_is_not_taken(result: dict[str, Any], text: str) -> None:
    with pytest.raises(adding.NotAddedError, match=text):
        await add_all(FakeClient(result=result))


async def test_a_device_that_is_not_discovered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(adding, "_DISCOVERY_LIMIT_S", 0.0)
    client = FakeClient()
    del client.flows[SHUNT.address]
    with pytest.raises(adding.NotAddedError, match="did not discover SmartShunt"):
        await add_all(client)


async def test_the_overview_shows_the_caravan_and_keeps_what_it_had() -> None:
    client = FakeClient()
    client.add_entities(f"{SHUNT.address}_soc", f"{SHUNT.address}_other")
    client.add_entities(f"{SHUNT.address}_power", platform="victron_ble")
    client.add_entities(f"{SHUNT.address}_voltage", disabled_by="integration")
    client.add_entities("battery_power_source", "battery_summary", "battery_soc")
    for _ in range(2):
        await adding.show(client)  # type: ignore[arg-type] # plays one
        assert client.home["x"] == 1
        assert client.home["favorite_entities"] == [
            "sensor.mine",
            "sensor.battery_power_source",
            "sensor.battery_summary",
            "sensor.battery_soc",
            f"sensor.{SHUNT.address}_soc",
            "switch.caravan_plug",
        ]
    client.add_entities("battery_power", "battery_voltage")
    await adding.show(client)  # type: ignore[arg-type] # plays one
    assert client.home["favorite_entities"][6:] == [
        "sensor.battery_power",
        "sensor.battery_voltage",
    ]


async def test_no_entities(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(adding, "_ENTITIES_LIMIT_S", 0.0)
    with pytest.raises(adding.NotAddedError, match="no entities"):
        await adding.show(FakeClient())  # type: ignore[arg-type] # plays one


async def test_the_energy_dashboard_shows_what_is_counted() -> None:
    client = FakeClient()
    await adding.show_energy(client)  # type: ignore[arg-type] # plays one
    assert client.sources == []
    client.add_entities("battery_energy_charged", "battery_energy_discharged")
    client.add_entities("battery_solar_energy", "battery_mains_energy")
    client.add_entities("DE*BMW*EDEMO00000001_energy_total")
    await adding.show_energy(client)  # type: ignore[arg-type] # plays one
    assert [each["type"] for each in client.sources] == [
        *("battery", "solar", "grid", "grid")
    ]
    # What its owner makes of it stays.
    client.sources = client.sources[:1]
    await adding.show_energy(client)  # type: ignore[arg-type] # plays one
    assert len(client.sources) == 1


async def test_home_assistant_is_given_the_days_before() -> None:
    client = FakeClient()
    client.add_entities("battery_soc")
    rows = [{"start": "2026-11-29T06:00:00+00:00", "mean": 52.0}]
    await adding.show_days(
        client,  # type: ignore[arg-type] # plays one
        [
            Statistic(key, "%", "unitless", has_sum=False, rows=rows)
            for key in ("soc", "solar_power")
        ],
    )
    assert client.imported == {"sensor.battery_soc": rows}
