"""The brand images: those that Home Assistant asks for, as it wants them."""

from http import HTTPStatus
import io
from pathlib import Path

from homeassistant.components.brands.const import ALLOWED_IMAGES
from homeassistant.core import HomeAssistant
from homeassistant.setup import async_setup_component
from PIL import Image, ImageChops
import pytest
from pytest_homeassistant_custom_component.typing import ClientSessionGenerator

import custom_components.bmw_wallbox_victron as integration
from custom_components.bmw_wallbox_victron.const import DOMAIN
from docs.tools.brand import draw

ROOT = Path(__file__).parents[1]
FOLDER = Path(integration.__file__).parent / "brand"
#: The least luminance that light on dark has, and the most that dark on light has.
LIGHT, DARK = 200, 60


def read(name: str) -> Image.Image:
    return Image.open(FOLDER / name)


def test_all_are_there_and_no_others() -> None:
    """The folder holds what Home Assistant serves, and nothing else."""
    assert {path.name for path in FOLDER.iterdir()} == ALLOWED_IMAGES


@pytest.mark.parametrize("name", sorted(ALLOWED_IMAGES))
def test_size_and_form(name: str) -> None:
    """Icons are square, logos are wide; all are as high as they may be."""
    image = read(name)
    assert image.format == "PNG"
    assert image.mode == "RGBA"
    assert image.height == (512 if "@2x" in name else 256)
    if "icon" in name:
        assert image.width == image.height
    else:
        assert 2 * image.height < image.width < 5 * image.height


@pytest.mark.parametrize("name", sorted(ALLOWED_IMAGES))
def test_trimmed_on_a_transparent_background(name: str) -> None:
    """Nothing but the drawing: no background, no margin worth the name."""
    image = read(name)
    box = image.getchannel("A").getbbox()
    assert box is not None
    left, top, right, bottom = box
    margins = (left, top, image.width - right, image.height - bottom)
    assert max(margins) <= image.height * 3 // 256
    corners = [(x, y) for x in (0, image.width - 1) for y in (0, image.height - 1)]
    assert {image.getchannel("A").getpixel(corner) for corner in corners} == {0}


@pytest.mark.parametrize("name", sorted(ALLOWED_IMAGES))
def test_what_it_is_drawn_for(name: str) -> None:
    """The outline stands out from the background that the image is for."""
    image = read(name)
    # In the frame of the wallbox, half-way down its left side.
    place = (image.height * 10 // 256, image.height * 100 // 256)
    outline = image.convert("L").getpixel(place)
    assert not isinstance(outline, tuple)
    assert outline is not None
    assert outline > LIGHT if name.startswith("dark_") else outline < DARK


def test_drawn_from_their_sources() -> None:
    """What scripts/brand.py draws is what is there, but for a rounding error."""
    seen = set()
    for path, content in draw():
        with Image.open(io.BytesIO(content)) as drawn, Image.open(path) as kept:
            assert drawn.size == kept.size
            difference = ImageChops.difference(drawn, kept)
        seen_by_eye = difference.point(
            [0 if value <= 2 else 255 for value in range(256)] * 4
        )
        assert seen_by_eye.getbbox(alpha_only=False) is None, path.name
        seen.add(path)
    assert seen == {*FOLDER.iterdir(), *(ROOT / "docs" / "images").glob("*logo.png")}


@pytest.mark.parametrize("name", sorted(ALLOWED_IMAGES))
async def test_home_assistant_serves_it(
    hass: HomeAssistant, hass_client: ClientSessionGenerator, name: str
) -> None:
    """Home Assistant's view gives this image, and none in its place."""
    assert await async_setup_component(hass, "brands", {})
    client = await hass_client()
    response = await client.get(f"/api/brands/integration/{DOMAIN}/{name}")
    assert response.status == HTTPStatus.OK
    assert response.content_type == "image/png"
    assert await response.read() == (FOLDER / name).read_bytes()
