"""Small files of every kind, and hostile ones, made anew by each test that asks."""

from __future__ import annotations

import io
import zipfile
from typing import Any

import pyarrow as arrow
import pyarrow.parquet as parquet
from PIL import Image, PngImagePlugin
from pypdf import PdfReader, PdfWriter

CSV = b"name,age,member,postcode\nAda,36,true,007\nGrace,,false,123\n"
SVG = b'<?xml version="1.0"?>\n<!-- hi --><!DOCTYPE svg>\n<svg xmlns="http://www.w3.org/2000/svg"><script/></svg>'
ELF = b"\x7fELF\x02\x01\x01\x00" + b"\x00" * 100


def pdf(*pages: str, claimed: int | None = None, kids: int | None = None) -> bytes:
    """A PDF with a line of text a page. `claimed`: another /Count; `kids`: the first page so many times over."""
    count = len(pages)
    refs = [f"{3 + 2 * index} 0 R" for index in range(count)] if kids is None else ["3 0 R"] * kids
    objects = [
        "<< /Type /Catalog /Pages 2 0 R >>",
        f"<< /Type /Pages /Kids [{' '.join(refs)}] /Count {claimed or kids or count} >>",
    ]
    font = "<< /F1 << /Type /Font /Subtype /Type1 /BaseFont /Helvetica >> >>"
    for index, text in enumerate(pages):
        drawn = f"BT /F1 12 Tf 72 720 Td ({text}) Tj ET" if text else "0 0 100 100 re f"
        objects.append(
            f"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 612 792] /Contents {4 + 2 * index} 0 R "
            f"/Resources << /Font {font} >> >>"
        )
        objects.append(f"<< /Length {len(drawn)} >>\nstream\n{drawn}\nendstream")
    out, places = bytearray(b"%PDF-1.7\n"), []
    for number, body in enumerate(objects, 1):
        places.append(len(out))
        out += f"{number} 0 obj\n{body}\nendobj\n".encode()
    start = len(out)
    out += f"xref\n0 {len(objects) + 1}\n0000000000 65535 f \n".encode()
    out += "".join(f"{place:010d} 00000 n \n" for place in places).encode()
    out += f"trailer\n<< /Size {len(objects) + 1} /Root 1 0 R >>\nstartxref\n{start}\n%%EOF\n".encode()
    return bytes(out)


def locked_pdf(text: str, password: str) -> bytes:
    """A PDF under a password to open it; an empty one only forbids things."""
    writer = PdfWriter(clone_from=PdfReader(io.BytesIO(pdf(text))))
    writer.encrypt(password, owner_password="owner", algorithm="AES-256")
    out = io.BytesIO()
    writer.write(out)
    return out.getvalue()


def image(form: str = "PNG", size: tuple[int, int] = (40, 30), *, color: str = "teal", **options: Any) -> bytes:
    """A picture of one colour."""
    out = io.BytesIO()
    Image.new("RGB", size, color).save(out, form, **options)
    return out.getvalue()


def photograph(size: tuple[int, int] = (400, 300), *, place: str = "48.8584 N") -> bytes:
    """A JPEG that lies on its side and tells in its metadata how to turn it, and where it was taken."""
    exif = Image.Exif()
    exif[0x0112] = 6  # turn a quarter to the right
    exif[0x010E] = place
    out = io.BytesIO()
    Image.effect_noise(size, 60).convert("RGB").save(out, "JPEG", exif=exif)
    return out.getvalue()


def commented_png(text: str) -> bytes:
    """A PNG with a comment."""
    info = PngImagePlugin.PngInfo()
    info.add_text("Comment", text)
    return image("PNG", pnginfo=info)


def moving_gif() -> bytes:
    """A GIF of two frames."""
    out = io.BytesIO()
    frames = [Image.new("RGB", (20, 20), color) for color in ("red", "blue")]
    frames[0].save(out, "GIF", save_all=True, append_images=frames[1:])
    return out.getvalue()


def png_bomb(width: int, height: int) -> bytes:
    """A PNG that says it has this size and holds nothing of it."""
    small = bytearray(image("PNG"))
    small[16:24] = width.to_bytes(4, "big") + height.to_bytes(4, "big")
    import zlib

    small[29:33] = zlib.crc32(small[12:29]).to_bytes(4, "big")
    return bytes(small)


def table(**columns: list[Any]) -> bytes:
    """A Parquet file."""
    out = io.BytesIO()
    parquet.write_table(arrow.table(columns), out)
    return out.getvalue()


def parquet_bomb(rows: int, size: int) -> bytes:
    """A Parquet file of one long value, repeated: kilobytes that unpack to gigabytes."""
    out = io.BytesIO()
    indices = arrow.array([0] * rows, arrow.int32())
    column = arrow.DictionaryArray.from_arrays(indices, arrow.array(["x" * size]))
    parquet.write_table(arrow.table({"a": column}), out, compression="zstd")
    return out.getvalue()


def zip_bomb() -> bytes:
    """A megabyte of nothing in a kilobyte of ZIP."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("data.csv", b"0," * 500_000)
    return out.getvalue()
