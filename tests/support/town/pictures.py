"""Pictures for the documents: as small as they can be without a look of it."""

from io import BytesIO

from PIL import Image
from playwright.sync_api import Page, expect

from tests.support.server import ROOT

PICTURES = ROOT / "docs" / "screenshots"
LARGEST = 120_000
"""Bytes."""


def picture(page: Page, name: str) -> None:
    """What is seen of a page, once it rests: of the settings, what stands above the folder of the data."""
    page.wait_for_load_state("networkidle")
    expect(page.get_by_test_id("stSkeleton")).to_have_count(0)
    page.wait_for_timeout(1_200)  # fonts and transitions
    PICTURES.mkdir(parents=True, exist_ok=True)
    row = page.get_by_text("STEPIQ_DATA_DIR")
    box = row.bounding_box() if row.count() else None
    with Image.open(BytesIO(page.screenshot())) as whole_page:
        height = min(whole_page.height, int(box["y"]) - 14) if box else whole_page.height
        seen = whole_page.crop((0, 0, whole_page.width, height))
        whole = BytesIO()
        seen.convert("RGB").save(whole, "PNG", optimize=True)
        if whole.tell() > LARGEST:  # fewer colours: the pale ones of panels suffer first
            whole = BytesIO()
            seen.convert("RGB").quantize(256, dither=Image.Dither.NONE).save(whole, "PNG", optimize=True)
    (PICTURES / f"{name}.png").write_bytes(whole.getvalue())
