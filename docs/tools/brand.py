"""Draw the brand images from their sources in docs/brand.

    .venv/bin/python scripts/brand.py

Home Assistant shows those in the integration's folder `brand`, the README the logo in
docs/images. `dark` means: for a dark background.
"""

from __future__ import annotations

from collections.abc import Iterator
import io
from pathlib import Path
import re
from typing import Final

from PIL import Image
from resvg_py import svg_to_bytes

ROOT: Final = Path(__file__).resolve().parents[2]
SOURCES: Final = ROOT / "docs" / "brand"
BRAND: Final = ROOT / "custom_components" / "bmw_wallbox_victron" / "brand"
IMAGES: Final = ROOT / "docs" / "images"

#: Colors on a dark background, in place of those that the sources have.
DARK: Final = {"#22303c": "#e4ecf3", "#f4f8fb": "#1b2630"}
#: Between the mark and the words, in units of the sources.
GAP: Final = 30


def _content(name: str) -> tuple[str, float]:
    """Return what a source draws, and how wide it is."""
    source = (SOURCES / f"{name}.svg").read_text(encoding="utf-8")
    match = re.fullmatch(
        r'<svg [^>]*viewBox="0 0 (\d+) 256">(.*)</svg>\n', source, re.DOTALL
    )
    if match is None:
        raise SystemExit(f"{name}.svg is not 256 units high")
    return match[2], float(match[1])


def _icon() -> str:
    content, width = _content("mark")
    return _drawing(content, width)


def _logo() -> str:
    mark, start = _content("mark")
    words, width = _content("words")
    moved = f'<g transform="translate({start + GAP})">{words}</g>'
    return _drawing(mark + moved, start + GAP + width)


def _drawing(content: str, width: float) -> str:
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} 256">'
        f"{content}</svg>"
    )


def _png(drawing: str, height: int) -> bytes:
    """Draw it, `height` pixels high, as small a file as is possible without loss."""
    rendered = svg_to_bytes(svg_string=drawing, height=height, skip_system_fonts=True)
    result = io.BytesIO()
    Image.open(io.BytesIO(bytes(rendered))).save(result, "PNG", optimize=True)
    return result.getvalue()


def draw() -> Iterator[tuple[Path, bytes]]:
    """Draw all images and return their paths and their contents."""
    for name, drawing in (("icon", _icon()), ("logo", _logo())):
        dark = drawing
        for light_color, dark_color in DARK.items():
            dark = dark.replace(light_color, dark_color)
        for prefix, themed in (("", drawing), ("dark_", dark)):
            small, large = _png(themed, 256), _png(themed, 512)
            yield BRAND / f"{prefix}{name}.png", small
            yield BRAND / f"{prefix}{name}@2x.png", large
            if name == "logo":
                yield IMAGES / f"{prefix}{name}.png", small


def main() -> None:
    """Write all images."""
    for path, content in draw():
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(content)
        print(f"{path.relative_to(ROOT)}: {len(content)} bytes")


if __name__ == "__main__":
    main()
