"""Pictures: their sizes, and a rendition for models.

The rendition is upright, holds no metadata (a photograph's names the place where it was taken), is at most
2,048 pixels long and, encoded as base64, within the smallest limit a vendor sets (5 MB an image: Anthropic,
"Vision"; see core.providers.images for what it costs in tokens).
"""

from __future__ import annotations

import io
import warnings

from PIL import Image, ImageOps

from core.shared.errors import InvalidInput

MOST_PIXELS = 50_000_000
LONGEST_EDGE = 16_384
RENDITION_EDGE = 2_048
RENDITION_BYTES = 5 * 1024 * 1024 * 3 // 4
FORMATS = {"image/png": "PNG", "image/jpeg": "JPEG", "image/gif": "GIF", "image/webp": "WEBP"}
_QUALITIES = (90, 75, 50)

Image.MAX_IMAGE_PIXELS = MOST_PIXELS


def render_image(content: bytes, media_type: str) -> tuple[bytes, str, int, int]:
    """The rendition with its media type, and the picture's own width and height.

    Raises InvalidInput for one that moves or is too large, anything for a damaged one.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            image = Image.open(io.BytesIO(content), formats=[FORMATS[media_type]])
            width, height = image.size
            if width * height > MOST_PIXELS or max(width, height) > LONGEST_EDGE:
                raise _too_many_pixels(width, height)
            # A photograph of a phone may hold a second one behind the first; that does not make it a film.
            if media_type != "image/jpeg" and getattr(image, "n_frames", 1) > 1:
                raise _wrong("FILE_ANIMATED", "The image moves, and models look at still ones. Send a single frame.")
            upright = ImageOps.exif_transpose(image)
            plain = upright.convert("RGBA" if _is_clear(upright) else "RGB")
    except (Image.DecompressionBombError, Image.DecompressionBombWarning):
        raise _wrong("FILE_TOO_COMPLEX", f"The image has more than {MOST_PIXELS:,} pixels. Make it smaller.") from None
    plain.thumbnail((RENDITION_EDGE, RENDITION_EDGE), Image.Resampling.LANCZOS)
    data, rendered_type = _encode(plain, photograph=media_type == "image/jpeg")
    return data, rendered_type, width, height


def image_size(content: bytes) -> tuple[int, int]:
    """Width and height of a rendition."""
    with Image.open(io.BytesIO(content)) as image:
        return image.size


def _encode(image: Image.Image, *, photograph: bool) -> tuple[bytes, str]:
    image.info = {}  # comments and profiles stay behind
    if not photograph:
        data = _saved(image, "PNG", compress_level=3)
        if len(data) <= RENDITION_BYTES:
            return data, "image/png"
    if image.mode == "RGBA":
        image = Image.alpha_composite(Image.new("RGBA", image.size, "white"), image).convert("RGB")
    data = b""
    for quality in _QUALITIES:
        data = _saved(image, "JPEG", quality=quality)
        if len(data) <= RENDITION_BYTES:
            break
    return data, "image/jpeg"


def _saved(image: Image.Image, form: str, **options: int) -> bytes:
    out = io.BytesIO()
    image.save(out, form, **options)
    return out.getvalue()


def _is_clear(image: Image.Image) -> bool:
    return image.mode in ("RGBA", "LA", "PA", "La", "RGBa") or "transparency" in image.info


def _too_many_pixels(width: int, height: int) -> InvalidInput:
    said = f"The image is {width:,} x {height:,} pixels: {MOST_PIXELS:,} and {LONGEST_EDGE:,} an edge are allowed."
    return _wrong("FILE_TOO_COMPLEX", said)


def _wrong(code: str, said: str) -> InvalidInput:
    return InvalidInput(code, said, field="file")
