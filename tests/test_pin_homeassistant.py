"""Pinning a Home Assistant: only with the test plugin that is made for it."""

from collections.abc import Callable
import json
from pathlib import Path
import shutil
from typing import Final

import pytest

from scripts import pin_homeassistant

ROOT: Final = Path(__file__).parents[1]
PLUGIN: Final = "pytest-homeassistant-custom-component"
#: The plugin's releases, and the Home Assistant that each pins; those of 2021: none.
RELEASES: Final = {
    "0.4.2": None,
    "0.13.371": "2026.10.0",
    "0.13.375": "2026.10.4",
    "0.13.376": "2026.11.0b1",
}
MANIFESTS: Final = {
    "default": ["zeroconf"],
    "manifests": {
        "zeroconf": {"requirements": ["zeroconf==0.151.5"], "zeroconf": ["_x._tcp"]},
        "bluetooth_adapters": {
            "requirements": ["pymicro-vad==1.0.1"],
            "dependencies": ["bluetooth"],
        },
        "bluetooth": {"requirements": ["bleak==3.0.2"]},
        "unrelated": {"requirements": ["unrelated==1.0"]},
    },
}


def answer(*command: str, stdin: str | None = None) -> str:
    """Answer as the index and the resolver do."""
    if command[:3] == ("uv", "pip", "compile"):
        assert stdin is not None
        wanted = stdin.partition("homeassistant==")[2].strip()
        assert wanted or "--prerelease" in command
        # The newest that does not contradict: one that pins none never does.
        fits = [
            release
            for release, pinned in RELEASES.items()
            if not wanted or pinned in (None, wanted)
        ]
        return f"pytest==9.0.2\n{PLUGIN}=={fits[-1]}\n"
    if command[:3] == ("uv", "pip", "install"):
        release = command[-1].removeprefix(f"{PLUGIN}==")
        pinned = RELEASES[release]
        folder = Path(command[command.index("--target") + 1]) / "plugin.dist-info"
        folder.mkdir()
        requires = "homeassistant" if pinned is None else f"homeassistant=={pinned}"
        (folder / "METADATA").write_text(
            f"Name: {PLUGIN}\nVersion: {release}\n"
            f"Requires-Dist: pytest==9.0.2\nRequires-Dist: {requires}\n"
        )
        return ""
    if command[:2] == ("uv", "run"):
        return json.dumps(MANIFESTS)
    assert command[:2] == ("uv", "lock")
    return ""


@pytest.fixture
def checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of the files that are written, and an index without the internet."""
    for name in ("pyproject.toml", "hacs.json"):
        shutil.copy(ROOT / name, tmp_path)
    monkeypatch.setattr(pin_homeassistant, "ROOT", tmp_path)
    monkeypatch.setattr(pin_homeassistant, "run", answer)
    return tmp_path


type Contents = Callable[[], dict[str, str]]


@pytest.fixture
def contents(checkout: Path) -> Contents:
    """What is in these files."""
    return lambda: {path.name: path.read_text() for path in checkout.iterdir()}


@pytest.mark.parametrize("group", ["newest", "minimum"])
@pytest.mark.parametrize("version", ["2026.11.0", "2026.10.3", "2021.1.0"])
def test_no_plugin_for_it(contents: Contents, group: str, version: str) -> None:
    """One of 2021 fits as far as the resolver knows: nothing is pinned to that."""
    before = contents()
    with pytest.raises(SystemExit) as ended:
        pin_homeassistant.main([group, version])
    assert f"is for Home Assistant {version}" in str(ended.value.code)
    assert contents() == before


@pytest.mark.parametrize(
    ("arguments", "version", "plugin"),
    [
        (["newest", "2026.10.0"], "2026.10.0", "0.13.371"),
        (["minimum", "2026.10.4"], "2026.10.4", "0.13.375"),
        (["newest", "2026.11.0b1"], "2026.11.0b1", "0.13.376"),
        (["newest"], "2026.11.0b1", "0.13.376"),
    ],
)
def test_pinned(
    contents: Contents, arguments: list[str], version: str, plugin: str
) -> None:
    """The group has the plugin, its Home Assistant, and what that would install."""
    before = contents()
    pin_homeassistant.main(arguments)
    group = f"""# Home Assistant {version}
ha-{arguments[0]} = [
  "{PLUGIN}=={plugin}",
  "homeassistant=={version}",
  "bleak==3.0.2",
  "zeroconf==0.151.5",
]
"""
    after = contents()
    assert group in after["pyproject.toml"]
    if arguments[0] == "minimum":
        assert json.loads(after["hacs.json"])["homeassistant"] == version
    else:
        assert after["hacs.json"] == before["hacs.json"]


@pytest.mark.parametrize("group", ["newest", "minimum"])
def test_what_cannot_be_resolved_is_not_pinned(
    contents: Contents, monkeypatch: pytest.MonkeyPatch, group: str
) -> None:
    """Nothing stays half-way."""
    before = contents()

    def fail(*command: str, stdin: str | None = None) -> str:
        if command[:2] == ("uv", "lock"):
            assert contents() != before
            raise SystemExit("No solution found")
        return answer(*command, stdin=stdin)

    monkeypatch.setattr(pin_homeassistant, "run", fail)
    with pytest.raises(SystemExit, match="No solution"):
        pin_homeassistant.main(
            [group, "2026.10.0" if group == "newest" else "2026.10.4"]
        )
    assert contents() == before


def test_the_newest_requirements_come_along(
    checkout: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With the newest Home Assistant, not with the oldest."""
    upgraded = []

    def note(*command: str, stdin: str | None = None) -> str:
        if command[:2] == ("uv", "lock"):
            upgraded.append([part for part in command if part.startswith("--upgrade")])
        return answer(*command, stdin=stdin)

    monkeypatch.setattr(pin_homeassistant, "run", note)
    pin_homeassistant.main(["newest"])
    pin_homeassistant.main(["minimum", "2026.10.0"])
    assert {"--upgrade-package=ocpp", "--upgrade-package=websockets"} <= {*upgraded[0]}
    assert upgraded[1] == []


def test_the_minimum_is_named(contents: Contents) -> None:
    """It is a promise to users, and nothing that follows a pre-release."""
    before = contents()
    with pytest.raises(SystemExit):
        pin_homeassistant.main(["minimum"])
    assert contents() == before
