"""Draw the brand images from their sources: see docs/tools/brand.py.

.venv/bin/python scripts/brand.py
"""

from pathlib import Path
import runpy

PROGRAM = Path(__file__).resolve().parent.parent / "docs" / "tools" / "brand.py"

if __name__ == "__main__":
    runpy.run_path(str(PROGRAM), run_name="__main__")
