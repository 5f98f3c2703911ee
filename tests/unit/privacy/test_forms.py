"""What a scan looks for is found in every form that programs give it, wherever it lies in a stream."""

import base64
import gzip
import hashlib
import html
import io
import json
import os
import quopri
import zipfile
import zlib
from urllib.parse import quote, quote_plus

import pytest

from core.privacy.scan.files import DATA, FINISH, OPEN, Root, frame, look
from core.privacy.scan.forms import WINDOW, Needles, Search

VALUES = ("canary.Ärger+x@planted.example", 'Zoë O\'Canary "X" & Söhne', "plain-canary-4711")


def found_in(value: str, data: bytes, piece: int = 10_000) -> set[str]:
    hits: set[str] = set()
    search = Search(Needles([value]), lambda _number, form: hits.add(form))
    for begin in range(0, len(data), piece):
        search.feed(data[begin : begin + piece])
    search.end()
    return hits


def forms(value: str) -> dict[str, bytes]:
    data, zipped = value.encode(), io.BytesIO()
    with zipfile.ZipFile(zipped, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a.txt", "hello " * 50 + value)
    return {
        "as it is": data,
        "upper case": value.upper().encode(),
        "lower case": value.lower().encode(),
        "UTF-16": value.encode("utf-16-le"),
        "JSON": json.dumps(value).encode(),
        "JSON in JSON": json.dumps(json.dumps(value)).encode(),
        "JSON, every character": "".join(f"\\u{ord(char):04X}" for char in value).encode(),
        "URL": quote(value, safe="").encode(),
        "URL form": quote_plus(value).encode(),
        "URL in URL": quote(quote(value)).encode(),
        "URL, every byte": "".join(f"%{byte:02x}" for byte in data).encode(),
        "HTML": html.escape(value).encode(),
        "HTML in JSON": json.dumps(html.escape(value)).encode(),
        "mail": quopri.encodestring(("y" * 60 + value).encode()),
        "hexadecimal": data.hex().upper().encode(),
        "base64": base64.b64encode(b"x" + data + b"yy"),
        "base64 in lines": base64.encodebytes(b"q" * 60 + data + b"yy" * 40),
        "zlib": zlib.compress(b"abc" * 100 + data),
        "gzip": gzip.compress(data),
        "zip": zipped.getvalue(),
        "JSON in zlib": zlib.compress(json.dumps(value.upper()).encode()),
        "zlib in base64": base64.b64encode(zlib.compress(b"abc" * 100 + data)),
        "SHA-256": hashlib.sha256(data).digest(),
        "SHA-256 in hexadecimal": hashlib.sha256(data).hexdigest().upper().encode(),
    }


@pytest.mark.parametrize("value", VALUES)
def test_every_form_is_found(value: str) -> None:
    around = os.urandom(3000)
    missed = [name for name, form in forms(value).items() if not found_in(value, around + form + around)]
    assert missed == []


@pytest.mark.parametrize("value", VALUES)
def test_nothing_is_found_where_nothing_is(value: str) -> None:
    assert found_in(value, os.urandom(3_000_000)) == set()
    almost = value[:-1].encode()
    assert found_in(value, b" ".join((almost, base64.b64encode(almost), zlib.compress(almost)))) == set()


def test_a_value_across_two_windows_and_a_long_compressed_stream_are_found() -> None:
    value = VALUES[0]
    assert "text" in found_in(value, os.urandom(WINDOW - 7) + value.encode() + os.urandom(50))
    packed = zlib.compress(os.urandom(2 * WINDOW) + value.encode())
    assert found_in(value, os.urandom(WINDOW - 50) + packed)


@pytest.mark.parametrize("zeros", [1, 63, 64, 65, 8192, WINDOW])
def test_a_value_between_empty_pages_is_found_and_no_two_halves_of_one(zeros: int) -> None:
    value, empty = VALUES[2], b"\0" * zeros
    forms_of_it = {**forms(value), "UTF-16, big end first": value.encode("utf-16-be")}
    for form in forms_of_it.values():
        for data in (empty + form + empty, b"x" + form + empty, empty + form + b"x", b"x" + form + empty + b"x"):
            assert found_in(value, data)
    assert found_in(value, value[:7].encode() + empty + value[7:].encode()) == set()


def test_places_are_told_and_values_are_not(tmp_path: object) -> None:
    from pathlib import Path

    folder = Path(str(tmp_path))
    (folder / "below").mkdir()
    (folder / "below" / "one.txt").write_text(f"says {VALUES[2]}")
    stream = io.BytesIO(
        frame(OPEN, json.dumps({"store": "database", "place": "runs"}).encode())
        + frame(DATA, VALUES[2].upper().encode())
        + frame(FINISH)
    )
    lines = list(look([VALUES[0], VALUES[2]], [Root("data", str(folder))], stream))
    assert [(line["store"], line["place"], line["value"]) for line in lines[:-1]] == [
        ("database", "runs", 1), ("data", "below/one.txt", 1),
    ]  # fmt: skip
    assert lines[-1]["done"] and VALUES[2].lower() not in json.dumps(lines).lower()
