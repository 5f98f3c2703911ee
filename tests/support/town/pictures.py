"""Pictures for the documents: as small as they can be without a look of it."""

from io import BytesIO

from PIL import Image
from playwright.sync_api import Page

from tests.support.server import ROOT

PICTURES = ROOT / "docs" / "screenshots"
COLOURS = 128


def picture(page: Page, name: str) -> None:
    """What is seen of a page, once it rests."""
    page.wait_for_load_state("networkidle")
    page.wait_for_timeout(800)  # fonts and transitions
    PICTURES.mkdir(parents=True, exist_ok=True)
    with Image.open(BytesIO(page.screenshot())) as seen:
        few = seen.convert("RGB").quantize(COLOURS, method=Image.Quantize.MEDIANCUT, dither=Image.Dither.NONE)
        few.save(PICTURES / f"{name}.png", optimize=True)
