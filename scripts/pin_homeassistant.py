"""Pin a dependency group of pyproject.toml to one Home Assistant release.

    scripts/pin-homeassistant newest 2026.10.4
    scripts/pin-homeassistant minimum 2026.8.0
    scripts/pin-homeassistant newest      (whatever there is, pre-releases included)

Home Assistant installs what its components need while it starts. Tests and the
demo must not wait for that (or fail without a network), so the groups
``ha-newest`` and ``ha-minimum`` name exactly what that release would install for
the components that our configurations load. This script writes these groups and,
for the minimum, the version in hacs.json; then uv.lock. With the newest Home Assistant
comes the newest of what the integration itself requires.
"""

from __future__ import annotations

import argparse
from importlib.metadata import distributions
import json
from pathlib import Path
import re
import subprocess
import sys
from tempfile import TemporaryDirectory
import tomllib
from typing import Final

ROOT: Final = Path(__file__).resolve().parent.parent
WRITTEN: Final = ("pyproject.toml", "hacs.json")
PLUGIN: Final = "pytest-homeassistant-custom-component"

# Loaded by the demo and the tests on top of what Home Assistant always loads.
COMPONENTS: Final = (
    "blueprint",
    "bluetooth_adapters",
    "config",
    "diagnostics",
    "energy",
    "history",
    "logbook",
    "lovelace",
    "my",
    "notify",
    "sun",
    "template",
    "utility_meter",
    # Discovers what we discover as well.
    "victron_ble",
)

# A component that has one of these keys in its manifest loads the other component.
DISCOVERY: Final = {
    "dhcp": ("dhcp",),
    "mqtt": ("mqtt",),
    "ssdp": ("ssdp",),
    "zeroconf": ("zeroconf", "homekit"),
}

# There are no wheels of these for current Pythons, and nothing here needs them:
# they clean up microphone sound for voice assistants.
LEFT_OUT: Final = ("pymicro-vad", "pyspeex-noise")

# Runs inside an environment that has the wanted release: prints its manifests.
PROBE: Final = """
import json, pathlib, homeassistant
from homeassistant import bootstrap
root = pathlib.Path(homeassistant.__file__).parent / "components"
print(json.dumps({
    "default": sorted({*bootstrap.CORE_INTEGRATIONS, *bootstrap.DEFAULT_INTEGRATIONS}),
    "manifests": {p.parent.name: json.loads(p.read_text())
                  for p in root.glob("*/manifest.json")},
}))
"""


def run(*command: str, stdin: str | None = None) -> str:
    """Return what a command prints, or end with its error."""
    done = subprocess.run(  # noqa: S603 - fixed commands, see the callers
        command, input=stdin, capture_output=True, text=True, check=False
    )
    if done.returncode:
        sys.exit(f"{' '.join(command[:4])} failed:\n{done.stderr}")
    return done.stdout


def find_test_plugin(version: str | None) -> tuple[str, str]:
    """Return the test plugin that pins this Home Assistant, and the latter's version.

    None: the newest plugin, whose Home Assistant may be a pre-release.
    """
    options = ["--prerelease", "allow"] if version is None else []
    wanted = [PLUGIN] if version is None else [PLUGIN, f"homeassistant=={version}"]
    resolved = run(
        *("uv", "pip", "compile", "--quiet", "--no-header", "--no-annotate"),
        *(*options, "--python", sys.executable, "-"),
        stdin="\n".join(wanted) + "\n",
    )
    plugin = next(
        (line for line in resolved.splitlines() if line.startswith(f"{PLUGIN}==")), None
    )
    pinned = None if plugin is None else find_pinned_home_assistant(plugin)
    # Plugins of 2021 pin none and so fit each: the resolver takes one of these where
    # the right one is not out yet.
    if plugin is None or pinned is None or version not in (None, pinned):
        sys.exit(
            f"No release of {PLUGIN} is for Home Assistant {version or '(any)'}; it "
            "follows Home Assistant's by some days. Nothing was changed"
        )
    return plugin, pinned


def find_pinned_home_assistant(plugin: str) -> str | None:
    """Return the one Home Assistant that a release of the test plugin runs with."""
    with TemporaryDirectory() as folder:
        run(
            *("uv", "pip", "install", "--quiet", "--no-deps", "--target", folder),
            *("--python", sys.executable, plugin),
        )
        for distribution in distributions(path=[folder]):
            for requirement in distribution.requires or ():
                if match := re.fullmatch(r"homeassistant==(\S+)", requirement):
                    return match[1]
    return None


def find_requirements(version: str) -> set[str]:
    """Return what this release installs at run time for the components we load."""
    probe = json.loads(
        run(
            *("uv", "run", "--quiet", "--no-project", "--isolated"),
            *("--python", sys.executable, "--with", f"homeassistant=={version}"),
            *("python", "-c", PROBE),
        )
    )
    manifests = probe["manifests"]
    requirements: set[str] = set()
    seen: set[str] = set()
    queue = [*probe["default"], *COMPONENTS]
    while queue:
        domain = queue.pop()
        if domain in seen or domain not in manifests:
            continue
        seen.add(domain)
        manifest = manifests[domain]
        requirements.update(manifest.get("requirements", ()))
        queue += manifest.get("dependencies", ())
        # Home Assistant installs what these need as well.
        queue += manifest.get("after_dependencies", ())
        queue += (
            loaded
            for loaded, keys in DISCOVERY.items()
            if any(key in manifest for key in keys)
        )
    return {
        requirement
        for requirement in requirements
        if not requirement.lower().startswith(LEFT_OUT)
    }


def write_group(group: str, version: str, requirements: list[str]) -> None:
    """Replace the group in pyproject.toml."""
    path = ROOT / "pyproject.toml"
    lines = "".join(f'  "{requirement}",\n' for requirement in requirements)
    text, count = re.subn(
        rf"(?ms)^# Home Assistant [^\n]*\nha-{group} = \[.*?^\]\n",
        f"# Home Assistant {version}\nha-{group} = [\n{lines}]\n",
        path.read_text(encoding="utf-8"),
    )
    if count != 1:
        sys.exit(f"pyproject.toml has no group ha-{group} under its comment")
    path.write_text(text, encoding="utf-8")


def write_hacs(version: str) -> None:
    """Name the minimum that HACS enforces."""
    path = ROOT / "hacs.json"
    hacs = json.loads(path.read_text(encoding="utf-8"))
    hacs["homeassistant"] = version
    path.write_text(json.dumps(hacs, indent=2) + "\n", encoding="utf-8")


def lock(*, upgrade: bool) -> None:
    """Write uv.lock, with the newest of what the integration requires if asked to."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    flags = [
        f"--upgrade-package={re.split(r'[<>=]', requirement)[0]}"
        for requirement in project["dependency-groups"]["dev"]
        if upgrade and isinstance(requirement, str)
    ]
    run("uv", "lock", "--project", str(ROOT), *flags)


def main(argv: list[str] | None = None) -> None:
    """Pin the group that the command line names."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("group", choices=("newest", "minimum"))
    parser.add_argument(
        "version",
        nargs="?",
        help="a Home Assistant release, such as 2026.8.0; without it the newest that "
        "the tests can run with, pre-releases included",
    )
    arguments = parser.parse_args(argv)
    if arguments.group == "minimum" and arguments.version is None:
        parser.error("the minimum is a release")

    plugin, version = find_test_plugin(arguments.version)
    requirements = sorted(find_requirements(version), key=str.lower)
    # The resolver takes a pre-release only where it is asked for by name.
    pins = [plugin, f"homeassistant=={version}", *requirements]
    before = {path: path.read_bytes() for path in (ROOT / name for name in WRITTEN)}
    write_group(arguments.group, version, pins)
    if arguments.group == "minimum":
        write_hacs(version)
    try:
        lock(upgrade=arguments.group == "newest")
    except SystemExit:
        for path, content in before.items():
            path.write_bytes(content)
        raise
    sys.stdout.write(
        f"{arguments.group}: Home Assistant {version} with {plugin}, "
        f"{len(requirements)} more\n"
    )


if __name__ == "__main__":
    main()
