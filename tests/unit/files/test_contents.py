"""What a content is told to be, and what is refused: decided by its bytes, in any disguise."""

from __future__ import annotations

import io

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from core.platform.files import images
from core.platform.files.contents import inspect_content
from core.platform.files.domain import Inspection, clean_name
from core.platform.files.tables import MOST_COLUMNS, read_parquet
from core.shared.errors import AppError, InvalidInput
from tests.support import samples


def inspect(content: bytes, name: str = "", declared: str = "") -> Inspection:
    return inspect_content(content, name, declared)


def refusal(content: bytes, name: str = "", declared: str = "") -> str:
    with pytest.raises(InvalidInput) as caught:
        inspect(content, name, declared)
    return caught.value.code


@pytest.mark.parametrize(
    ("content", "name", "kind", "media_type"),
    [
        (samples.CSV, "a.csv", "csv", "text/csv"),
        (samples.CSV, "", "csv", "text/csv"),
        (samples.CSV.replace(b",", b"\t"), "x", "csv", "text/tab-separated-values"),
        (samples.CSV.replace(b",", b";"), "x.csv", "csv", "text/csv"),
        (b"only\n1\n2\n", "one.csv", "csv", "text/csv"),
        (b"only\n1\n2\n", "one.txt", "text", "text/plain"),
        (samples.CSV, "a.txt", "text", "text/plain"),
        (b'{"a": [1, 2]}', "", "json", "application/json"),
        (b'{"a": 1}\n{"a": 2}\n', "", "json", "application/x-ndjson"),
        (b"1\n2\n", "n.jsonl", "json", "application/x-ndjson"),
        (b"Dear all, hello.\nThanks, bye, see you.\n", "", "text", "text/plain"),
        (b"[draft] not JSON", "", "text", "text/plain"),
        (b"# Title\n", "a.md", "text", "text/markdown"),
        (b"<!doctype html><p>hi <svg></svg>", "a.html", "text", "text/html"),
        (samples.pdf("Hello"), "a.pdf", "pdf", "application/pdf"),
        (samples.image("PNG"), "", "image", "image/png"),
        (samples.image("JPEG"), "", "image", "image/jpeg"),
        (samples.image("GIF"), "", "image", "image/gif"),
        (samples.image("WEBP"), "", "image", "image/webp"),
        (samples.table(a=[1, 2]), "", "parquet", "application/vnd.apache.parquet"),
    ],
)
def test_kinds_are_told_from_the_content(content: bytes, name: str, kind: str, media_type: str) -> None:
    found = inspect(content, name)
    assert (found.kind, found.media_type) == (kind, media_type)


def test_a_wrong_ending_changes_nothing() -> None:
    for name in ("a.csv", "a.json", "a.pdf", "a.exe", "a.png"):
        assert inspect(samples.image("JPEG"), name).media_type == "image/jpeg"
        assert inspect(samples.pdf("Hello"), name, "text/csv").kind == "pdf"
    assert inspect(b"x,y\n1,2\n", "a.png", "image/png").kind == "csv"


@pytest.mark.parametrize(
    ("content", "code"),
    [
        (b"", "FILE_EMPTY"),
        (b" \n\t", "FILE_EMPTY"),
        (b"\xef\xbb\xbf", "FILE_EMPTY"),
        (samples.SVG, "FILE_TYPE_UNSUPPORTED"),
        (b"\xef\xbb\xbf  <svg:svg>", "FILE_TYPE_UNSUPPORTED"),
        (samples.ELF, "FILE_TYPE_UNSUPPORTED"),
        (b"MZ\x90\x00\x03" + b"\x00" * 60, "FILE_TYPE_UNSUPPORTED"),
        (b"#!/bin/sh\nrm -rf /\n", "FILE_TYPE_UNSUPPORTED"),
        (samples.zip_bomb(), "FILE_TYPE_UNSUPPORTED"),
        (b"\x1f\x8b\x08\x00" + b"\x00" * 40, "FILE_TYPE_UNSUPPORTED"),
        (b"a,b\n1,\x002\n", "FILE_TYPE_UNSUPPORTED"),
        (b"\xff\xfe\x00\x00a\x00\x00\x00", "FILE_TYPE_UNSUPPORTED"),
        ("Привет, мир".encode("cp1251"), "FILE_TYPE_UNSUPPORTED"),
        (b"a,b\n1,\x81\n", "FILE_TYPE_UNSUPPORTED"),
        (b"GIF89a<script>alert(1)</script>" + b" " * 50, "FILE_INVALID"),
        (b"\x89PNG\r\n\x1a\n" + b"junk" * 20, "FILE_INVALID"),
        (samples.image("JPEG")[:300], "FILE_INVALID"),
        (b"RIFF\x00\x00\x00\x00WEBPVP8 ", "FILE_INVALID"),
        (samples.moving_gif(), "FILE_ANIMATED"),
        (samples.png_bomb(60_000, 60_000), "FILE_TOO_COMPLEX"),
        (samples.png_bomb(10_000, 10_000), "FILE_TOO_COMPLEX"),
        (b"%PDF-1.7\nnothing more", "FILE_INVALID"),
        (samples.locked_pdf("secret", "pw"), "FILE_ENCRYPTED"),
        (samples.pdf("", ""), "FILE_HAS_NO_TEXT"),
        (samples.pdf("again", kids=501), "FILE_TOO_COMPLEX"),
        (b"PAR1" + b"\x00" * 50 + b"PAR1", "FILE_INVALID"),
        (b"PAR1" + b"\x00" * 50, "FILE_TYPE_UNSUPPORTED"),
    ],
    ids=lambda value: value if isinstance(value, str) else "bytes",  # some are other bytes each time
)
def test_what_is_refused(content: bytes, code: str) -> None:
    assert refusal(content) == code


def test_a_refusal_says_what_to_do_and_repeats_nothing_of_the_content() -> None:
    with pytest.raises(InvalidInput, match="unpack it, or export a PDF or CSV"):
        inspect(samples.zip_bomb(), "sheet.xlsx")
    with pytest.raises(InvalidInput, match="SVG"):
        inspect(samples.SVG)
    with pytest.raises(InvalidInput, match=r"line 1, column 18") as caught:
        inspect(b'{"walrus": "two" "oyster"}', "a.json")
    assert "walrus" not in caught.value.message


def test_a_pdf_with_text_is_read_page_by_page() -> None:
    found = inspect(samples.pdf("Total: 12 EUR", "", "Second page"))
    assert found.derived == b"Total: 12 EUR\n\nSecond page"
    assert found.facts == {"pages": 3, "characters": 26}
    assert inspect(samples.locked_pdf("open", "")).derived == b"open"


def test_a_pdf_is_judged_by_the_pages_it_has() -> None:
    claimed = inspect(samples.pdf("One page", claimed=100_000))
    assert claimed.facts["pages"] == 1
    assert refusal(samples.pdf("x", kids=100_000)) == "FILE_TOO_COMPLEX"


def test_a_polyglot_is_only_what_its_beginning_says() -> None:
    both = samples.pdf("A PDF") + samples.zip_bomb()
    assert inspect(both, "a.zip").kind == "pdf"
    found = inspect(samples.image("PNG") + b"<script>alert(1)</script>", "a.html")
    assert found.media_type == "image/png"
    assert found.derived is not None and b"script" not in found.derived
    assert refusal(b"junk\x00" + samples.pdf("late")) == "FILE_TYPE_UNSUPPORTED"


@pytest.mark.parametrize(
    ("encoding", "told"),
    [("utf-8", "utf-8"), ("utf-8-sig", "utf-8-sig"), ("utf-16", "utf-16"), ("cp1252", "cp1252"), ("latin-1", "cp1252")],
)
def test_encodings_are_told(encoding: str, told: str) -> None:
    found = inspect("name,city\nZoë,Besançon\nÉlan,Cæn\n".encode(encoding), "a.csv")
    assert found.facts["encoding"] == told
    assert found.facts["columns"] == ["name", "city"]
    assert inspect(codecs_be("name;x\nZoë;1\n"), "b.csv").facts["columns"] == ["name", "x"]


def codecs_be(text: str) -> bytes:
    return b"\xfe\xff" + text.encode("utf-16-be")


def test_columns_of_a_csv_have_types_only_where_nothing_is_lost() -> None:
    found = inspect(
        b"i,n,b,zeros,mixed,empty,big\n1,1.5,TRUE,007,1,,123456789012345678901\n-2,2,false,1,x,,1\n", "a.csv"
    )
    assert found.facts["types"] == ["integer", "number", "boolean", "text", "text", "text", "text"]
    assert found.facts["rows"] == 2


def test_headers_are_named_and_never_twice() -> None:
    found = inspect(b"a,,a,  a \n1,2,3,4\n", "a.csv")
    assert found.facts["columns"] == ["a", "column_2", "a_2", "a_3"]


def test_tables_that_cannot_be_read_are_refused_with_the_place() -> None:
    wide = ",".join(f"c{n}" for n in range(10_000)).encode() + b"\n"
    with pytest.raises(InvalidInput, match=f"10,000 columns; {MOST_COLUMNS:,} are allowed"):
        inspect(wide, "a.csv")
    with pytest.raises(InvalidInput, match="Row 2 of the table has 3 cells"):
        inspect(b"a,b\n1,2\n1,2,3\n", "a.csv")
    with pytest.raises(InvalidInput, match=r"Line 2 of the table cannot be read: .*131,072 characters"):
        inspect(b"a,b\n1," + b"x" * 200_000 + b"\n", "a.csv")
    assert inspect(b"a,b\n1,2\n1,2,3\n").kind == "text", "nobody said it was a table"


def test_one_huge_line_is_text_and_no_table() -> None:
    line = b"word, " * 2_000_000
    assert inspect(line).kind == "text"
    assert refusal(b"x" * 1_000_000, "a.csv") == "FILE_INVALID"


@pytest.mark.parametrize(
    "content",
    [b"[" * 1_000_000, b'{"a":' * 100_000, b"[NaN]", b'["\\ud800"]', b"[1" + b"0" * 5_000 + b"]", b"{", b'{"a":1}\n{'],
)
def test_json_that_is_none_is_refused_where_it_is_claimed(content: bytes) -> None:
    assert refusal(content, "a.json") == "FILE_INVALID"
    assert inspect(content).kind == "text"


def test_json_of_too_many_values_is_refused_before_it_is_parsed() -> None:
    assert refusal(b"[" + b"[]," * 3_000_001 + b"[]]", "a.json") == "FILE_TOO_COMPLEX"
    assert refusal(b"[]\n" * 3_000_001, "a.jsonl") == "FILE_TOO_COMPLEX"


def test_a_parquet_file_that_unpacks_to_gigabytes_is_refused() -> None:
    bomb = samples.parquet_bomb(3_000, 1_000_000)
    assert len(bomb) < 100_000
    assert refusal(bomb) == "FILE_TOO_COMPLEX"
    assert refusal(samples.table(a=[1])[:-9] + b"\xffPAR1") == "FILE_INVALID"


def test_parquet_values_become_json() -> None:
    from datetime import UTC, date, datetime
    from decimal import Decimal

    rows = list(
        read_parquet(
            samples.table(
                n=[1, None],
                f=[float("nan"), 0.5],
                d=[date(2026, 1, 2), None],
                t=[datetime(2026, 1, 2, 3, 4, tzinfo=UTC)] * 2,
                m=[Decimal("1.50"), Decimal("2.00")],
                l=[[1, 2], []],
                s=[{"a": "x"}, None],
                b=[b"\xff", b"ok"],
            )
        )
    )
    first = {"n": 1, "f": None, "d": "2026-01-02", "t": "2026-01-02T03:04:00+00:00", "m": 1.5, "l": [1, 2]}
    assert rows[0] == first | {"s": {"a": "x"}, "b": "�"}
    assert rows[1]["m"] == 2 and rows[1]["f"] == 0.5 and rows[1]["s"] is None


def test_an_image_is_made_upright_small_and_without_metadata() -> None:
    photo = samples.photograph((3_000, 1_500))
    assert b"48.8584 N" in photo
    found = inspect(photo)
    assert (found.facts["width"], found.facts["height"]) == (3_000, 1_500)
    assert found.facts["rendition"] == {"media_type": "image/jpeg", "width": 1_024, "height": 2_048}
    assert found.derived is not None
    assert b"48.8584 N" not in found.derived
    shown = Image.open(io.BytesIO(found.derived))
    assert shown.size == (1_024, 2_048) and not shown.getexif()
    png = inspect(samples.commented_png("private words"))
    assert png.derived is not None and b"private words" not in png.derived


def test_every_mode_of_image_is_rendered_within_the_vendors_limit() -> None:
    for mode in ("1", "L", "P", "RGB", "RGBA", "LA", "I;16"):
        out = io.BytesIO()
        Image.new(mode, (50, 40)).save(out, "PNG")
        assert inspect(out.getvalue()).facts["width"] == 50, mode
    out = io.BytesIO()
    Image.new("CMYK", (50, 40)).save(out, "JPEG")
    assert inspect(out.getvalue()).kind == "image"
    out = io.BytesIO()
    Image.merge("RGBA", [Image.effect_noise((2_048, 2_048), 120)] * 4).save(out, "PNG", compress_level=1)
    data, media_type, _, _ = images.render_image(out.getvalue(), "image/png")
    assert media_type == "image/jpeg" and len(data) <= images.RENDITION_BYTES


@given(st.binary(max_size=300), st.sampled_from(["", "a.csv", "a.json", "a.jsonl", "a.txt"]))
def test_any_bytes_are_a_kind_or_a_refusal(content: bytes, name: str) -> None:
    try:
        inspect(content, name)
    except AppError as error:
        assert error.code.startswith("FILE_")


@given(
    st.sampled_from(
        [b"%PDF-1.7\n", b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff", b"GIF89a", b"RIFF\x10\x00\x00\x00WEBP", b"PAR1"]
    ),
    st.binary(max_size=200),
)
def test_any_bytes_after_a_magic_number_are_too(magic: bytes, rest: bytes) -> None:
    for content in (magic + rest, magic + rest + b"PAR1"):
        try:
            inspect(content)
        except AppError as error:
            assert error.code.startswith("FILE_")


@given(st.data())
def test_damaged_files_are_refused_or_read(data: st.DataObject) -> None:
    whole = data.draw(
        st.sampled_from([samples.pdf("Hi", "there"), samples.table(a=[1, 2], b=["x", "y"]), samples.image("GIF")])
    )
    place = data.draw(st.integers(0, len(whole) - 1))
    damaged = whole[:place] + bytes([data.draw(st.integers(0, 255))]) + whole[place + 1 :]
    try:
        inspect(damaged)
    except AppError as error:
        assert error.code.startswith("FILE_")


@pytest.mark.parametrize(
    ("given_name", "shown"),
    [
        ("../../etc/passwd", "passwd"),
        ("C:\\Users\\ada\\report.csv", "report.csv"),
        ("a\x00b\r\nc\u202egpj.exe", "abcgpj.exe"),
        ("", "file"),
        ("..", "file"),
        ("  spaced   out .txt ", "spaced out .txt"),
        ("x" * 300 + ".csv", "x" * 196 + ".csv"),
        ("é.txt", "é.txt"),
    ],
)
def test_names_are_cleaned(given_name: str, shown: str) -> None:
    assert clean_name(given_name) == shown
