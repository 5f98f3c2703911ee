"""Finding personal data by its form: patterns first, then a check digit or a parser that must agree.

Patterns are bounded, so that no text makes them slow, and are tried only where digits stand close together or beside a
word that says what a number is. A long text is looked at in windows: between two of them another thread gets its turn,
because `re` itself gives none.
"""

import re
from bisect import bisect_left
from collections.abc import Callable, Iterable, Iterator
from functools import lru_cache
from ipaddress import ip_address

import phonenumbers
from stdnum import iban, luhn

from core.shared.personal_data.kinds import Finding
from core.shared.personal_data.national_ids import ID_WORDS, ids_by_form, ids_by_word

WINDOW, MARGIN = 4_096, 256  # characters; no finding is longer than the margin
_Span = tuple[int, int]
_SPACE = "  \u202f"  # a plain, a hard and a narrow hard space: numbers are grouped by any of them


def find(text: str) -> tuple[Finding, ...]:
    """What is found in a text, in order, nothing twice."""
    found: list[Finding] = []
    for start in range(0, len(text), WINDOW):
        begin = max(0, start - MARGIN)
        window = text[begin : start + WINDOW + MARGIN]
        found += [
            Finding(kind, begin + first, begin + last)
            for kind, first, last in _in_window(window)
            if start <= begin + first < start + WINDOW
        ]
    return _apart(found)


def find_all(texts: Iterable[str]) -> tuple[Finding, ...]:
    """What is found in several texts; places are those in the text of each."""
    return tuple(finding for text in texts for finding in find(text))


def _in_window(text: str) -> Iterator[tuple[str, int, int]]:
    if "@" in text:
        for span in _emails(text):
            yield "EMAIL", *span
    for start, end in _near_numbers(text):
        for kind, look in _LOOKS:
            for first, last in look(text, start, end):
                yield kind, first, last
    lower = text.lower()
    for kind, words, look in _NAMED_LOOKS:
        if any(word in lower for word in words):
            for first, last in look(text, 0, len(text)):
                yield kind, first, last
    if _DOTTED.search(text):
        for span in _ipv4(text):
            yield "IP", *span
    if "::" in text or text.count(":") > 6:
        for span in _ipv6(text):
            yield "IP", *span


def _apart(found: list[Finding]) -> tuple[Finding, ...]:
    """Without what overlaps: the surer kind stays, of one kind the longer."""
    kept: list[Finding] = []
    starts: list[int] = []
    for finding in sorted(set(found), key=lambda each: (_RANK[each.kind], each.start - each.end, each.start)):
        place = bisect_left(starts, finding.end)
        if place == 0 or kept[place - 1].end <= finding.start:
            kept.insert(place, finding)
            starts.insert(place, finding.start)
    return tuple(kept)


# Six digits and more, with at most what an IBAN has between its digits: `NWBK`, `MALT` and the spaces around.
_CLOSE = re.compile(r"\d(?:\D{0,8}\d){5,}")
_AROUND = 24  # characters on both sides: a country's letters before, a check letter after
_DOTTED = re.compile(r"\d\.\d{1,3}\.\d")


def _near_numbers(text: str) -> Iterator[_Span]:
    for found in _CLOSE.finditer(text):
        yield max(0, found.start() - _AROUND), min(len(text), found.end() + _AROUND)


# -- e-mail addresses ---------------------------------------------------------

_DOMAIN = re.compile(r"(?:[^\W_](?:[\w-]{0,61}[^\W_])?\.){1,8}[^\W\d_]{2,24}(?![\w-]|\.\w)")
_LOCAL = re.compile(r"[^\W_](?:[\w.%+'-]{0,62}[\w%+-])?$")
_FILES = frozenset({"png", "jpg", "jpeg", "gif", "svg", "webp", "avif", "css", "js", "ts", "json"})


def _emails(text: str) -> Iterator[_Span]:
    at = text.find("@")
    while at >= 0:
        domain = _DOMAIN.match(text, at + 1)
        local = _LOCAL.search(text, max(0, at - 64), at)
        if domain and local and not _is_no_address(text, local.start(), domain):
            yield local.start(), domain.end()
        at = text.find("@", at + 1)


def _is_no_address(text: str, start: int, domain: re.Match[str]) -> bool:
    """`logo@2x.png`, `git@host.org:path` and the credentials in `https://name:word@host.org` look like one."""
    if domain[0].rpartition(".")[2].lower() in _FILES:
        return True
    if text[domain.end() : domain.end() + 2].rstrip() not in ("", ":") and text[domain.end()] == ":":
        return True
    before = text[max(0, start - 80) : start]
    return before.endswith((":", "/")) and "://" in before.split()[-1]


# -- bank accounts and cards --------------------------------------------------

_LENGTHS = {
    "AD": 24, "AT": 20, "BE": 16, "BG": 22, "CH": 21, "CY": 28, "CZ": 24, "DE": 22, "DK": 18, "EE": 20, "ES": 24,
    "FI": 18, "FO": 18, "FR": 27, "GB": 22, "GI": 23, "GL": 18, "GR": 27, "HR": 21, "HU": 28, "IE": 22, "IS": 26,
    "IT": 27, "LI": 21, "LT": 20, "LU": 20, "LV": 21, "MC": 27, "MT": 31, "NL": 18, "NO": 15, "PL": 28, "PT": 25,
    "RO": 24, "RS": 22, "SE": 24, "SI": 19, "SK": 24, "SM": 27, "TR": 26, "UA": 29, "VA": 22,
}  # fmt: skip
_IBAN = re.compile(rf"(?<![\w])([A-Za-z]{{2}})\d\d(?:[{_SPACE}-]?[A-Za-z0-9]){{11,30}}")
_CARD = re.compile(rf"(?<![\w.,-])\d(?:[{_SPACE}-]?\d){{13,18}}(?!\w|[.,-]\d)")
_BRANDS = re.compile(r"(?:4|5[1-5]|2[2-7]|6011|65|62)\d*|3(?:5)\d*")
_GROUPED = re.compile(rf"\d{{4}}(?:[{_SPACE}-]\d{{4}}){{3}}|\d{{4}}[{_SPACE}-]\d{{6}}[{_SPACE}-]\d{{4,5}}|\d+")


def _ibans(text: str, start: int, stop: int) -> Iterator[_Span]:
    for found in _IBAN.finditer(text, start, stop):
        length = _LENGTHS.get(found[1].upper())
        end = None if length is None else _after(text, found.start(), length)
        if end is not None and not text[end : end + 1].isalnum() and iban.is_valid(text[found.start() : end]):
            yield found.start(), end


def _after(text: str, start: int, length: int) -> int | None:
    """Where so many letters and digits end, spaces and dashes between them not counted."""
    place, seen = start, 0
    while place < len(text) and seen < length:
        seen += text[place].isalnum()
        place += 1
    return place if seen == length else None


def _cards(text: str, start: int, stop: int) -> Iterator[_Span]:
    for found in _CARD.finditer(text, start, stop):
        written = found[0]
        digits = "".join(filter(str.isdigit, written))
        fits = (len(digits) == 16 and _BRANDS.fullmatch(digits)) or (
            (len(digits) == 15 and digits[:2] in ("34", "37")) or (len(digits) == 14 and digits[:2] in ("36", "38"))
        )
        if fits and _GROUPED.fullmatch(written) and len(set(digits)) > 1 and luhn.is_valid(digits):
            yield found.span()


# -- phone numbers ------------------------------------------------------------

_ABROAD = re.compile(rf"(?<![\w+])(?:\+|00)[1-9](?:[{_SPACE}.\-/()]{{0,2}}\d){{7,14}}")
_FRENCH = re.compile(rf"(?<![\w.,/+-])0[1-9](?:[{_SPACE}.-]?\d\d){{4}}(?!\w|[.,/-]\d)")
_AMERICAN = re.compile(r"(?<![\w.,/+-])(?:\(\d{3}\) ?|\d{3}[-.])\d{3}[-.]\d{4}(?![\w-])")
_CALLED = re.compile(
    r"(?:\b(?:tel|t[ée]l[ée]?|phone|mobile?|cell|fax|portable|telefon[oe]?|telefoon|t[ée]l[ée]phone|handy|whatsapp)\b"
    rf"\D{{0,20}}?)(\(?\d(?:[{_SPACE}.\-/()]{{0,2}}\d){{6,13}})(?!\w)",
    re.IGNORECASE,
)
_HERE = ("FR", "BE", "CH", "LU", "DE", "AT", "GB", "IE", "ES", "PT", "IT", "NL", "US")
_GROUP = re.compile(r"[^\d]+\d+$")


def _phones(text: str, start: int, stop: int) -> Iterator[_Span]:
    for found in _ABROAD.finditer(text, start, stop):
        end = _valid_end(found[0])
        if end:
            yield found.start(), found.start() + end
    for found in _FRENCH.finditer(text, start, stop):
        # Ten digits in a row are as often another number: a mobile's beginning tells it apart.
        if (not found[0].isdigit() or found[0][:2] in ("06", "07")) and _is_phone(found[0], "FR"):
            yield found.span()
    for found in _AMERICAN.finditer(text, start, stop):
        if _is_phone(found[0], "US"):
            yield found.span()


def _called(text: str, start: int, stop: int) -> Iterator[_Span]:
    for found in _CALLED.finditer(text, start, stop):
        if any(_is_phone(found[1], region) for region in _HERE):
            yield found.span(1)


def _valid_end(written: str) -> int:
    """How much of what was found is a number: groups of digits after it are taken off while it is none."""
    for _ in range(4):
        if _is_phone("+" + written[2:] if written.startswith("00") else written, None):
            return len(written)
        shorter = _GROUP.sub("", written)
        if shorter == written:
            return 0
        written = shorter
    return 0


@lru_cache(maxsize=1024)
def _is_phone(written: str, region: str | None) -> bool:
    try:
        return phonenumbers.is_valid_number(phonenumbers.parse(written, region))
    except phonenumbers.NumberParseException:
        return False


# -- addresses of machines, dates of birth ------------------------------------

_BYTE = r"(?:25[0-5]|2[0-4]\d|1\d\d|[1-9]?\d)"
_IPV4 = re.compile(rf"(?<![\w.])(?:{_BYTE}\.){{3}}{_BYTE}(?!\w|\.\w|/\d)")
_VERSION = re.compile(r"(?:\bv|version|release|build|chapter|section|§)[\s:=\"']*$", re.IGNORECASE)
_IPV6 = re.compile(r"(?<![\w:.])(?=[0-9A-Fa-f:]*:[0-9A-Fa-f]*:)[0-9A-Fa-f:]{6,39}(?![\w:.])")


def _ipv4(text: str) -> Iterator[_Span]:
    for found in _IPV4.finditer(text):
        if ip_address(found[0]).is_global and not _VERSION.search(text, max(0, found.start() - 16), found.start()):
            yield found.span()


def _ipv6(text: str) -> Iterator[_Span]:
    for found in _IPV6.finditer(text):
        try:
            public = ip_address(found[0]).is_global
        except ValueError:
            continue
        if public:
            yield found.span()


_MONTHS = (
    "jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec|janv|f[ée]vr|mars|avr|mai|juin|juil|ao[uû]t|sept|d[ée]c|m[äa]r"
    "|okt|dez|ene|abr|ago|gen|mag|giu|lug|set|ott|dic|mrt|mei"
)
_DAY, _MONTH, _YEAR, _GAP = r"(?:3[01]|[12]\d|0?[1-9])", r"(?:1[0-2]|0?[1-9])", r"(?:19|20)\d\d", "[ \u00a0]"
_DATE = re.compile(
    rf"(?:\d{{4}}[-/.]{_MONTH}[-/.]{_DAY}"
    rf"|{_DAY}[-/. ]{_MONTH}[-/. ](?:19|20)?\d\d"
    rf"|{_DAY}(?:st|nd|rd|th|er|\.)?{_GAP}(?:of{_GAP}|de{_GAP})?(?:{_MONTHS})[a-zéûä]{{0,9}}\.?,?{_GAP}(?:de{_GAP})?{_YEAR}"
    rf"|(?:{_MONTHS})[a-z]{{0,6}}\.?{_GAP}{_DAY}(?:st|nd|rd|th)?,?{_GAP}{_YEAR})(?!\d)",
    re.IGNORECASE,
)
_BORN = re.compile(
    r"\bborn\b|birth|\bdob\b|naissance|\bn[ée]{1,2}(?:\(e\))?\sle\b|geboren|geburt|\bnacid[oa]\b|nacimiento"
    r"|\bnat[oa]\sil\b|nascita|nascid[oa]|nascimento|geboorte|anniversaire",
    re.IGNORECASE,
)
_DIGIT = re.compile(r"\d")
_NEAR = 40  # characters between the word and the date: "born in a small town near Lyon on"


def _births(text: str, start: int, stop: int) -> Iterator[_Span]:
    for said in _BORN.finditer(text, start, stop):
        if not _DIGIT.search(text, said.end(), said.end() + _NEAR + 8):
            continue
        found = _DATE.search(text, said.end(), said.end() + _NEAR + 24)
        if found and found.start() - said.end() <= _NEAR and "\n\n" not in text[said.end() : found.start()]:
            yield found.span()


_Look = Callable[[str, int, int], Iterator[_Span]]
_LOOKS: tuple[tuple[str, _Look], ...] = (
    ("IBAN", _ibans),
    ("CARD", _cards),
    ("NATIONAL_ID", ids_by_form),
    ("PHONE", _phones),
)
# Looks that need a word in the text, which is looked for first: in a text in small letters, where that costs little.
_NAMED_LOOKS: tuple[tuple[str, tuple[str, ...], _Look], ...] = (
    ("NATIONAL_ID", ID_WORDS, ids_by_word),
    ("PHONE", ("tel", "tél", "phone", "mobil", "cell", "fax", "portable", "handy", "whatsapp"), _called),
    (
        "BIRTH_DATE",
        ("born", "birth", "dob", "naiss", "né ", "née ", "né(", "gebor", "geburt", "nacid", "nacim", "nato ", "nata ",
         "nascit", "nascid", "nascim", "geboort", "annivers"),
        _births,
    ),
)  # fmt: skip
_RANK = {kind: rank for rank, kind in enumerate(("EMAIL", "IBAN", "CARD", "NATIONAL_ID", "PHONE", "IP", "BIRTH_DATE"))}
