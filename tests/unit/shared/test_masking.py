"""Secrets are found in whatever form they come along, and nothing else is touched."""

import html
import json
from base64 import b64encode, urlsafe_b64encode
from collections.abc import Callable
from typing import Any
from urllib.parse import quote, quote_plus, urlencode

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from core.shared.masking import Masker, StreamMasker, marker

NAME = "API_KEY"
MARK = marker(NAME)
TRICKY = "%\\&+#;ux0129abcdefABDF =/-_<>'\"\r\né😀zK"

VALUES = [
    "sk-live_4f9/Zq+7Lm==",
    'pä"ss <wörd> & more',
    "line one\nline two\twith\\backslash",
    "100%25off&amp;more",
    "😀 smile 漢字",
    "abcd",
    "a b+c/d",
    "two\r\nlines",
]


def percent(text: str, digits: str = "02X") -> str:
    return "".join(f"%{byte:{digits}}" for byte in text.encode())


def every_u(text: str, digits: str = "04x") -> str:
    units = text.encode("utf-16-be")
    return "".join(f"\\u{int.from_bytes(units[i : i + 2], 'big'):{digits}}" for i in range(0, len(units), 2))


def go_json(text: str) -> str:
    """As Go's encoding/json writes it by default."""
    escaped = json.dumps(text, ensure_ascii=False)[1:-1]
    for char in "<>&":
        escaped = escaped.replace(char, f"\\u{ord(char):04x}")
    return escaped


def in_json(text: str) -> str:
    return json.dumps(text)[1:-1]


def with_crlf(text: str) -> str:
    return text.replace("\r\n", "\n").replace("\n", "\r\n")


def swapped(text: str) -> str:
    return "".join(char.upper() if i % 2 else char.lower() for i, char in enumerate(text))


FORMS: dict[str, Callable[[str], str]] = {
    "raw": str,
    "percent": lambda v: quote(v, safe=""),
    "percent, slashes kept": quote,
    "percent, lower": lambda v: "".join(c if c.isalnum() and c.isascii() else percent(c, "02x") for c in v),
    "percent, all": percent,
    "percent, all, lower": lambda v: percent(v, "02x"),
    "percent, every second": lambda v: "".join(percent(c) if i % 2 else quote(c, safe="") for i, c in enumerate(v)),
    "percent, twice": lambda v: quote(quote(v, safe=""), safe=""),
    "form": quote_plus,
    "form field": lambda v: urlencode({"q": v})[2:],
    "json": in_json,
    "json, unicode kept": lambda v: json.dumps(v, ensure_ascii=False)[1:-1],
    "json, slashes escaped": lambda v: in_json(v).replace("/", "\\/"),
    "json, all": every_u,
    "json, all, upper": lambda v: every_u(v, "04X"),
    "json, three times": lambda v: in_json(in_json(in_json(v))),
    "json as Go writes it": go_json,
    "html": html.escape,
    "html, apostrophes by name": lambda v: html.escape(v).replace("&#x27;", "&apos;"),
    "html, decimal": lambda v: "".join(f"&#{ord(c)};" for c in v),
    "html, decimal with zeros": lambda v: "".join(f"&#{ord(c):07};" for c in v),
    "html, hexadecimal": lambda v: "".join(f"&#x{ord(c):x};" for c in v),
    "html, twice": lambda v: html.escape(html.escape(v)),
    "html in Go's json": lambda v: go_json(html.escape(v)),
    "json in percent": lambda v: quote(in_json(v), safe=""),
    "json in html": lambda v: html.escape(in_json(v)),
    "html in percent": lambda v: quote(html.escape(v), safe=""),
    "percent in json": lambda v: in_json(quote(v, safe="")),
    "hex": lambda v: v.encode().hex(),
    "hex, upper": lambda v: v.encode().hex().upper(),
    "hex, both cases": lambda v: swapped(v.encode().hex()),
    "base64": lambda v: b64encode(v.encode()).decode(),
    "base64, no padding": lambda v: b64encode(v.encode()).decode().rstrip("="),
    "base64, url-safe": lambda v: urlsafe_b64encode(v.encode()).decode(),
    "base64 in percent": lambda v: quote(b64encode(v.encode()).decode(), safe=""),
    "base64 in percent, lower": lambda v: quote(b64encode(v.encode()).decode(), safe="").replace("%2F", "%2f"),
    "base64 in json": lambda v: b64encode(v.encode()).decode().replace("/", "\\/"),
    "base64 in html": lambda v: b64encode(v.encode()).decode().replace("+", "&#43;").replace("=", "&#61;"),
    "base64 of json": lambda v: b64encode(in_json(v).encode()).decode(),
    "base64 of json, unicode kept": lambda v: b64encode(json.dumps(v, ensure_ascii=False)[1:-1].encode()).decode(),
    "line ends of two characters": with_crlf,
    "line ends of two characters in json": lambda v: in_json(with_crlf(v)),
    "line ends of two characters in percent": lambda v: percent(with_crlf(v)),
}


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("value", VALUES)
def test_every_form_is_masked_and_only_that(form: str, value: str) -> None:
    masker = Masker({NAME: value})
    encoded = FORMS[form](value)
    assert masker.mask_text(f"before, {encoded}, after") == f"before, {MARK}, after"
    assert masker.mask_text(encoded) == MARK


@pytest.mark.parametrize("value", VALUES)
@pytest.mark.parametrize("before", range(4))
@pytest.mark.parametrize("after", range(4))
@pytest.mark.parametrize("encode", [b64encode, urlsafe_b64encode])
def test_base64_of_longer_data_is_masked_where_it_holds_a_bit_of_the_secret(
    value: str, before: int, after: int, encode: Callable[[bytes], bytes]
) -> None:
    masker = Masker({NAME: value})
    length = len(value.encode())
    for filler in (b"\x00", b"\xff", b"u"):
        token = encode(filler * before + value.encode() + filler * after).decode().rstrip("=")
        first, last = before * 8 // 6, -(-(before + length) * 8 // 6)
        assert masker.mask_text(f"<{token}>") == f"<{token[:first]}{MARK}{token[last:]}>"
        around = quote(token[:first], safe=""), quote(token[last:], safe="")
        assert masker.mask_text(quote(token, safe="")) == f"{around[0]}{MARK}{around[1]}"


@pytest.mark.parametrize("value", [*VALUES, "a a a a, b b b b"])
@pytest.mark.parametrize("escape", [percent, every_u, lambda c: f"&#{ord(c)};"])
def test_one_escaped_character_is_enough_anywhere(value: str, escape: Callable[[str], str]) -> None:
    masker = Masker({NAME: value, "OTHER": value[::-1] + "."})
    forms = [value, value.encode().hex(), b64encode(value.encode()).decode().rstrip("=")]
    for form in forms:
        for place, char in enumerate(form):
            escaped = form[:place] + escape(char) + form[place + 1 :]
            assert masker.mask_text(f"<{escaped}>") == f"<{MARK}>"


def test_what_is_almost_a_secret_stays() -> None:
    value = VALUES[0]
    masker = Masker({NAME: value})
    almost = [
        value[:-1],
        value[1:],
        value.replace("4", "5"),
        value[:8] + " " + value[8:],
        value[::-1],
    ]
    for near in almost:
        for form in FORMS.values():
            text = f"before {form(near)} after %zz \\q &nothing; + %"
            assert masker.mask_text(text) == text
    # The neighbours' bits fit no group: this is other data.
    token = b64encode(b"x" + value.encode()).decode()
    other = token[0] + chr(ord(token[1]) + 1) + token[2:]
    assert masker.mask_text(other) == other


def test_the_longest_wins_and_overlapping_ones_leave_nothing() -> None:
    masker = Masker({"SHORT": "s3cret", "LONG": "s3cret-and-more", "NEXT": "more-of-it", "SAME": "s3cret"})
    assert masker.mask_text("s3cret-and-more") == "[secret LONG]"
    assert masker.mask_text("s3cret-and-les") == "[secret SAME]-and-les"
    assert masker.mask_text("s3cret-and-more-of-it!") == "[secret LONG][secret NEXT]!"
    assert masker.mask_text("s3crets3cret") == "[secret SAME][secret SAME]"
    assert Masker({"A": "aaaa"}).mask_text("b" + "a" * 9 + "b") == "b[secret A]b"
    hexadecimal = b"s3cret-and-more".hex()
    assert Masker({"DIGITS": hexadecimal[:6], "TEXT": "s3cret-and-more"}).mask_text(hexadecimal) == "[secret TEXT]"


def test_markers_are_not_masked_again() -> None:
    masker = Masker({"secret": "secret", "KEY": "secret KEY", "WHOLE": "x[secret KEY]y"})
    assert masker.mask_text("the secret is [secret KEY]") == "the [secret secret] is [secret KEY]"
    assert masker.mask_text("x[secret KEY]y") == "[secret WHOLE]"
    assert Masker({"A": "]abcdef", "B": "other"}).mask_text("[secret B]abcdef") == "[secret B[secret A]"


def test_white_space_around_a_value_and_short_values_do_not_count() -> None:
    assert Masker({NAME: " s3cret\n"}).mask_text("x s3cret\ny") == f"x {MARK}\ny"
    masker = Masker({NAME: "abc", "EMPTY": "", "BLANK": "      "})
    assert not masker and masker.mask_text("abc      ") == "abc      " and masker.mask_json({"a": 1}) == {"a": 1}
    assert masker.mask_bytes(b"abc") == b"abc" and StreamMasker(masker).feed("abc") == "abc"
    assert Masker({NAME: "abcd"})


def test_json_is_masked_in_names_texts_and_numbers() -> None:
    masker = Masker({"PIN": "4711", "WORD": "s3cret"})
    value: Any = {"s3cret": 1, "[secret WORD]": 2, "list": ["a s3cret", True, None, 1.5, {"n": 4711}], "x": 247110.5}
    assert masker.mask_json(value) == {
        "[secret WORD]": 1,
        "[secret WORD] (2)": 2,
        "list": ["a [secret WORD]", True, None, 1.5, {"n": "[secret PIN]"}],
        "x": "2[secret PIN]0.5",
    }
    assert Masker({"WORD": "True"}).mask_json([True]) == [True]


def test_bytes_are_masked_between_anything() -> None:
    masker = Masker({NAME: "sécret-value"})
    raw = "sécret-value".encode()
    assert masker.mask_bytes(b"\xe2\x82" + raw + b"\xff\xc3") == b"\xe2\x82" + MARK.encode() + b"\xff\xc3"
    untouched = bytes(range(256))
    assert masker.mask_bytes(untouched) is untouched


PIECES = [*TRICKY, *TRICKY, "%2", "\\u00", "&#x", "&am", "%25", "[secret", MARK]
texts = st.lists(st.sampled_from(PIECES), max_size=12)
values = st.text(st.sampled_from(TRICKY), min_size=4, max_size=12).filter(lambda value: value == value.strip())
cuts = st.lists(st.integers(0, 300), max_size=12)


@st.composite
def partly_escaped(draw: st.DrawFn, value: str) -> str:
    """Each character in a way of its own."""
    ways = [str, percent, lambda c: percent(c, "02x"), lambda c: quote(percent(c)), every_u, in_json, html.escape]
    ways += [lambda c: f"&#{ord(c)};", lambda c: f"&#x{ord(c):X};", lambda c: in_json(in_json(c)), go_json]
    return "".join(draw(st.sampled_from(ways))(char) for char in value)


@st.composite
def embedded(draw: st.DrawFn) -> tuple[str, str, str]:
    """A value, one of its forms, and a text that holds it; the form without what its neighbours share."""
    value = draw(values)
    form = draw(st.sampled_from(["partly", "base64", *FORMS]))
    if form == "partly":
        encoded = draw(partly_escaped(value))
    elif form == "base64":
        before, after = draw(st.binary(max_size=4)), draw(st.binary(max_size=4))
        data, length = before + value.encode() + after, len(value.encode())
        token = draw(st.sampled_from([b64encode, urlsafe_b64encode]))(data).decode().rstrip("=")
        first, last = len(before) * 8 // 6, -(-(len(before) + length) * 8 // 6)
        text = "".join(draw(texts)) + token + "".join(draw(texts))
        return value, token[first:last], text
    else:
        encoded = FORMS[form](value)
    return value, encoded, "".join(draw(texts)) + encoded + "".join(draw(texts))


def cut(text: str, places: list[int]) -> list[str]:
    ends = sorted({place % (len(text) + 1) for place in places})
    return [text[a:b] for a, b in zip([0, *ends], [*ends, len(text)], strict=True)]


def streamed(masker: Masker, pieces: list[str]) -> str:
    stream = StreamMasker(masker)
    return "".join([*(stream.feed(piece) for piece in pieces), stream.flush()])


@settings(max_examples=600, deadline=None)
@given(embedded(), cuts)
def test_whatever_holds_a_secret_is_masked_however_it_is_cut(case: tuple[str, str, str], places: list[int]) -> None:
    value, encoded, text = case
    masker = Masker({NAME: value})
    masked = masker.mask_text(text)
    assert encoded not in masked.replace(MARK, "\0"), "the form is gone"
    assert MARK in masked
    assert streamed(masker, cut(text, places)) == masked
    assert streamed(masker, list(text)) == masked
    assert masker.mask_text(masked) == masked
    assert masker.mask_bytes(text.encode()) == masked.encode()


@settings(max_examples=150, deadline=None)
@given(
    st.lists(values, min_size=1, max_size=4, unique=True), texts, st.lists(st.integers(0, 200), max_size=8), st.data()
)
def test_several_secrets_hold_the_same_promises(
    known: list[str], around: list[str], places: list[int], data: st.DataObject
) -> None:
    masker = Masker({f"S{i}": value for i, value in enumerate(known)})
    parts = data.draw(st.lists(st.sampled_from([*known, *around, b64encode(known[0].encode()).decode()]), max_size=8))
    text = "".join(parts)
    masked = masker.mask_text(text)
    assert streamed(masker, cut(text, places)) == masked
    assert masker.mask_text(masked) == masked
    bare = masked
    for i in range(len(known)):
        bare = bare.replace(marker(f"S{i}"), "\0")
    assert not any(value in bare for value in known)


@settings(max_examples=300, deadline=None)
@given(st.text(), cuts)
def test_a_text_without_a_secret_is_unchanged(text: str, places: list[int]) -> None:
    masker = Masker({"A": "kQ7-vXw93_zzPq", "B": "Лучше \U0001f600 & <больше>\nстрок", "C": "100%-sure+\\"})
    assume("100%" not in text)
    assert masker.mask_text(text) is text
    assert streamed(masker, cut(text, places)) == text


def test_a_stream_holds_back_only_what_might_begin_a_secret() -> None:
    stream = StreamMasker(Masker({NAME: "Xyzzy-12345"}))
    assert stream.feed("Hello wor") == "Hello wor"
    assert stream.feed("ld, Xyz") == "ld, "
    assert stream.feed("zy-1") == ""
    assert stream.feed("2345 and Xyzz") == f"{MARK} and "
    assert stream.feed("les 50%") == "Xyzzles 50"
    assert stream.feed(" of [secret") == "% of "
    assert stream.feed(" plans") == "[secret plans"
    assert stream.feed(" Xy") == " " and stream.flush() == "Xy" and stream.flush() == ""


def test_a_long_secret_arrives_in_small_pieces() -> None:
    lines = "\n".join("MIIEvQIBADANBgkqhkiG9w0BAQEFAASC" + str(i) for i in range(400))
    value = f"-----BEGIN KEY-----\n{lines}\n-----END KEY-----"
    masker = Masker({NAME: value})
    for form in (value, in_json(value), quote(value), b64encode(value.encode()).decode()):
        pieces = [form[i : i + 40] for i in range(0, len(form), 40)]
        assert streamed(masker, ["a ", *pieces, " b"]) == f"a {MARK} b"


@pytest.mark.parametrize("noise", ["%", "\\", "&", "+", "%25", "&amp;", "\\u00", "\\\\n", "[", "\r", "a", "%C3"])
def test_noise_that_might_begin_anything_stays(noise: str) -> None:
    masker = Masker({NAME: "a+b\\c d&e%f", "PLAIN": "kQ7-vXw93_zzPq"})
    text = noise * (50_000 // len(noise))
    assert masker.mask_text(text) is text
    assert streamed(masker, [text[i : i + 5000] for i in range(0, len(text), 5000)]) == text


@pytest.mark.parametrize("value", [*VALUES, "Straße-Ünder-42", "İstanbul-Key-77"])
def test_a_secret_in_another_case_is_found(value: str) -> None:
    masker = Masker({NAME: value})
    for shown in (value.swapcase() if value.swapcase().swapcase() == value else value, _ascii_upper(value)):
        assert masker.mask_text(f"before {shown} after") == f"before {marker(NAME)} after"


def _ascii_upper(text: str) -> str:
    return "".join(char.upper() if char.isascii() else char for char in text)
