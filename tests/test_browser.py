"""What the demo's browser does without a browser."""

import io
import json
from pathlib import Path
import random
import time
from typing import Any

import aiohttp
from PIL import Image
import pytest

from docs.tools import browser

URL = "http://127.0.0.1:8123"


@pytest.fixture
def programs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The only folder where programs are looked for."""
    folder = tmp_path / "bin"
    folder.mkdir()
    monkeypatch.setenv("PATH", str(folder))
    return folder


def test_the_chromium_of_the_system_is_taken_first(
    programs: Path, tmp_path: Path
) -> None:
    own = tmp_path / "own"
    own.touch()
    assert browser.find_chromium(own) == str(own)
    for name in ("google-chrome", "chromium"):
        program = programs / name
        program.touch(mode=0o700)
        assert browser.find_chromium(own) == str(program)


def test_without_a_chromium_it_says_what_to_install(
    programs: Path, tmp_path: Path
) -> None:
    with pytest.raises(browser.BrowserError, match="apt-get install chromium"):
        browser.find_chromium(tmp_path / "own")


async def test_tokens_are_left_as_the_login_page_leaves_them(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def get_tokens(_: aiohttp.ClientSession, url: str) -> dict[str, Any]:
        assert url == URL
        return {"access_token": "a", "refresh_token": "r", "expires_in": 1800}

    monkeypatch.setattr(browser, "get_tokens", get_tokens)
    script = await browser.keep_tokens(URL)
    assert script.startswith("if (!localStorage.hassTokens) ")
    _, _, rest = script.partition("localStorage.hassTokens = ")
    stored, _ = json.JSONDecoder().raw_decode(rest)
    tokens = json.loads(stored)
    assert (tokens["hassUrl"], tokens["clientId"]) == (URL, f"{URL}/")
    assert (tokens["access_token"], tokens["refresh_token"]) == ("a", "r")
    assert tokens["expires"] == pytest.approx((time.time() + 1800) * 1000, abs=60_000)


def _png(picture: Image.Image) -> bytes:
    data = io.BytesIO()
    picture.save(data, "PNG")
    return data.getvalue()


def test_a_small_picture_keeps_its_colours(tmp_path: Path) -> None:
    picture = Image.new("RGB", (200, 100), "#0099cc")
    picture.putpixel((3, 4), (1, 2, 3))
    path = tmp_path / "new" / "small.png"
    browser.store(_png(picture), path)
    with Image.open(path) as stored:
        assert stored.mode == "RGB"
        assert stored.tobytes() == picture.tobytes()


def test_a_large_picture_is_stored_small(tmp_path: Path) -> None:
    """As a page is: areas of some colours, with soft edges of many."""
    chance = random.Random(1)
    picture = Image.linear_gradient("L").resize((500, 400)).convert("RGB")
    for _ in range(9000):
        place = (chance.randrange(500), chance.randrange(400))
        picture.putpixel(place, (chance.randrange(256), 200, chance.randrange(256)))
    whole = io.BytesIO()
    picture.save(whole, "PNG", optimize=True)
    assert len(whole.getvalue()) > 50_000
    path = tmp_path / "large.png"
    browser.store(_png(picture), path, largest=50_000)
    assert path.stat().st_size <= 50_000
    with Image.open(path) as stored:
        assert stored.mode == "P"
        assert stored.size == picture.size
