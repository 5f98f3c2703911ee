"""Facts found in a text by pattern: amounts, dates, addresses, names, moods. Pure."""

from __future__ import annotations

import re
from datetime import date
from decimal import Decimal

CURRENCIES = {"€": "EUR", "$": "USD", "£": "GBP", "¥": "JPY", "₹": "INR", "zł": "PLN"}
_CODES = "EUR|USD|GBP|CHF|JPY|CAD|AUD|NZD|SEK|NOK|DKK|PLN|CZK|INR|CNY|BRL|MXN|ZAR|SGD|HKD"
_NUMBER = r"\d{1,3}(?:[,.' \u00a0]\d{3})+(?:[.,]\d{1,2})?|\d+(?:[.,]\d{1,2})?"
_AMOUNT = re.compile(
    rf"(?P<before>[€$£¥₹]|\b(?:{_CODES})\b)\s?(?P<a>{_NUMBER})|(?P<b>{_NUMBER})\s?(?P<after>[€$£¥₹]|zł|\b(?:{_CODES})\b)"
)
_PLAIN_NUMBER = re.compile(rf"(?<![\w.,-])-?(?:{_NUMBER})(?![\w%]|[.,-]\d)")
_TOTAL = re.compile(
    r"(?<!sub)(?<!sub-)(?<!sub )\btotal|amount due|balance due|to pay|grand total|gesamt", re.IGNORECASE
)

_MONTHS = {
    name: number
    for number, names in enumerate(
        ("jan", "feb", "mar|mär", "apr", "may|mai", "jun", "jul", "aug", "sep", "oct|okt", "nov", "dec|dez"),
        start=1,
    )
    for name in names.split("|")
}
_MONTH = r"(?P<m{0}>" + "|".join(_MONTHS) + r")\w*\.?"
_DATE = re.compile(
    r"\b(?P<y1>\d{4})[-/.](?P<n1>\d{1,2})[-/.](?P<d1>\d{1,2})\b"
    rf"|\b(?P<d2>\d{{1,2}})(?:st|nd|rd|th|\.)?\s+(?:of\s+)?{_MONTH.format(2)},?\s+(?P<y2>\d{{4}})"
    rf"|\b{_MONTH.format(3)}\s+(?P<d3>\d{{1,2}})(?:st|nd|rd|th)?,?\s+(?P<y3>\d{{4}})"
    r"|\b(?P<p4>\d{1,2})(?P<s4>[./-])(?P<q4>\d{1,2})(?P=s4)(?P<y4>\d{4})\b",
    re.IGNORECASE,
)
_EMAIL = re.compile(r"[\w.+-]{1,64}@[\w-]{1,63}(?:\.[\w-]{1,63})+")
_URL = re.compile(r"https?://[^\s<>\"')\]]{1,2000}")
_PHONE = re.compile(r"(?<!\w)\+?\d[\d ()/-]{6,18}\d(?!\w)")
_TIME = re.compile(r"\b([01]?\d|2[0-3]):([0-5]\d)(?::([0-5]\d))?\b")
_COMPANY = re.compile(
    r"\b((?:[A-Z][\w&.'-]*[ ]){1,5}(?:GmbH(?: & Co\. KG)?|AG|SE|KG|Inc\.?|LLC|Ltd\.?|Limited|Corp\.?|Corporation|"
    r"B\.?V\.?|S\.?A\.?|S\.?r\.?l\.?|Oy|AB|PLC|plc|Co\.))(?!\w)"
)
_PERSON = re.compile(
    r"(?i:regards|best|sincerely|thanks|thank you|cheers|grüße|signed)[,!.]?\s*\n+\s*"
    r"([A-Z][\w'-]+(?: [A-Z][\w'-]+){0,2})|(?:my name is|I am|I'm|Mr\.?|Mrs\.?|Ms\.?|Dr\.?)\s+"
    r"([A-Z][\w'-]+(?: [A-Z][\w'-]+){0,2})",
    re.UNICODE,
)

MOODS = {
    "angry": "angry, furious, outraged, unacceptable, ridiculous, disgrace, fed up, lawyer, legal action, scam, "
    "terrible",
    "frustrated": "frustrated, frustrating, annoyed, annoying, still, again, third time, second time, waiting, nobody, "
    "disappointed, disappointing, upset, unhappy, fail, useless, complaint",
    "worried": "worried, concerned, afraid, anxious, unsure, confused, confusing",
    "happy": "happy, great, love, excellent, wonderful, perfect, delighted, amazing, pleased, thank you so much, "
    "awesome, fantastic, satisfied, good work",
    "neutral": "",
}
_MOOD_SYNONYMS = {
    "angry": ("frustrated",),
    "frustrated": ("angry",),
    "negative": ("angry", "frustrated", "worried"),
    "bad": ("angry", "frustrated"),
    "unhappy": ("angry", "frustrated"),
    "upset": ("angry", "frustrated"),
    "annoyed": ("frustrated",),
    "dissatisfied": ("frustrated", "angry"),
    "disappointed": ("frustrated",),
    "anxious": ("worried",),
    "concerned": ("worried",),
    "confused": ("worried",),
    "positive": ("happy",),
    "satisfied": ("happy",),
    "pleased": ("happy",),
    "calm": ("neutral",),
}
TOPICS = {
    "billing": "invoice, bill, billing, charge, charged, payment, paid, credit card, overcharged, price, twice",
    "refund": "refund, money back, reimburse, return",
    "delivery": "delivery, deliver, shipping, shipment, shipped, parcel, package, courier, tracking, arrived",
    "login": "login, log in, sign in, password, locked, access, two-factor, reset",
    "technical": "error, bug, crash, broken, not working, stopped working, outage, down, server, api, slow, export, "
    "timeout, loading",
    "cancellation": "cancel, cancellation, terminate, unsubscribe, close my account",
    "feature request": "feature, would be great, suggestion, wish",
    "sales": "quote, pricing, demo, upgrade, buy, purchase, trial",
}
_TOPIC_SYNONYMS = {
    "payment": "billing",
    "invoice": "billing",
    "shipping": "delivery",
    "order": "delivery",
    "logistics": "delivery",
    "account": "login",
    "access": "login",
    "bug": "technical",
    "support": "technical",
    "technical issue": "technical",
    "technical support": "technical",
    "outage": "technical",
    "returns": "refund",
    "cancel": "cancellation",
    "feature": "feature request",
    "feedback": "feature request",
}
_URGENT = (
    (
        3,
        "urgent, urgently, immediately, asap, emergency, critical, outage, is down, lawyer, legal action, right now",
    ),
    (2, "today, deadline, cannot work, can't work, blocked, unacceptable, tomorrow, furious, security"),
    (1, "still, waiting, again, third time, broken, error, as soon as possible, overdue, twice, soon"),
    (
        -1,
        "no rush, whenever, no hurry, wondering, curious, just wanted, suggestion, feedback, when you have time",
    ),
)


def amounts(text: str) -> list[tuple[Decimal, str, str]]:
    """Amounts of money: value, ISO 4217 code, and the line each stands in."""
    found = []
    for line in text.splitlines():
        for match in _AMOUNT.finditer(line):
            sign = match.group("before") or match.group("after")
            found.append((parse_number(match.group("a") or match.group("b")), CURRENCIES.get(sign, sign), line))
    return found


def total_amount(text: str) -> Decimal | None:
    """The total of an invoice: the last amount beside a word for it, else the largest."""
    found = amounts(text)
    near = [value for value, _, line in found if _TOTAL.search(line)]
    if near:
        return near[-1]
    for line in reversed(text.splitlines()):
        if _TOTAL.search(line) and (plain := numbers(line)):
            return plain[-1]
    return max((value for value, _, _ in found), default=None)


def currency(text: str) -> str | None:
    """The ISO 4217 code of the first amount, or a code standing alone."""
    found = amounts(text)
    if found:
        return found[0][1]
    code = re.search(rf"\b({_CODES})\b", text)
    if code:
        return code.group(1)
    return next((iso for sign, iso in CURRENCIES.items() if sign in text), None)


def numbers(text: str) -> list[Decimal]:
    """The numbers of a text that are not parts of dates, names or other words."""
    return [parse_number(match.group()) for match in _PLAIN_NUMBER.finditer(_DATE.sub(" ", text))]


def parse_number(raw: str) -> Decimal:
    """Read `1,234.50`, `1.234,50`, `1 234` and `12,5`."""
    clean = re.sub(r"[ '\u00a0]", "", raw)
    decimal = re.search(r"[.,](\d{1,2})$", clean)
    whole = re.sub(r"[.,]", "", clean[: decimal.start()] if decimal else clean)
    return Decimal(f"{whole}.{decimal.group(1)}" if decimal else whole)


def dates(text: str) -> list[tuple[str, int]]:
    """Dates as ISO 8601, with where they stand. `04/03/2026` is read month first, `04.03.2026` day first."""
    found = []
    for match in _DATE.finditer(text):
        part = match.groupdict()
        if part["y1"]:
            year, month, day = int(part["y1"]), int(part["n1"]), int(part["d1"])
        elif part["y2"]:
            year, month, day = int(part["y2"]), _MONTHS[part["m2"].lower()], int(part["d2"])
        elif part["y3"]:
            year, month, day = int(part["y3"]), _MONTHS[part["m3"].lower()], int(part["d3"])
        else:
            first, second, year = int(part["p4"]), int(part["q4"]), int(part["y4"])
            day_first = part["s4"] != "/" or first > 12
            day, month = (first, second) if day_first and second <= 12 else (second, first)
        try:
            found.append((date(year, month, day).isoformat(), match.start()))
        except ValueError:
            continue
    return found


def date_for(text: str, name_words: list[str]) -> str | None:
    """The date that stands after one of the words of its name, else the first one."""
    found = dates(text)
    lowered = text.lower()
    for word in name_words:
        if word in ("date", "day", "on", "at", "invoice"):
            continue
        for iso, at in found:
            if word in lowered[max(0, at - 40) : at]:
                return iso
    return found[0][0] if found else None


def first(pattern: str, text: str) -> str | None:
    """The first `email`, `url`, `phone`, `time`, `company` or `person` of a text."""
    found = all_of(pattern, text)
    return found[0] if found else None


def all_of(pattern: str, text: str) -> list[str]:
    """Every different `email`, `url`, `phone`, `time`, `company` or `person` of a text, in order."""
    known = {
        "email": _EMAIL,
        "url": _URL,
        "phone": _PHONE,
        "time": _TIME,
        "company": _COMPANY,
        "person": _PERSON,
    }
    found = []
    for match in known[pattern].finditer(text):
        groups = [group for group in match.groups() if group]
        value = match.group() if pattern in ("email", "url", "phone", "time") or not groups else groups[0]
        found.append(value.strip().rstrip(".,;") if pattern in ("url", "email") else value.strip())
    return list(dict.fromkeys(found))


def labelled(text: str, name_words: list[str]) -> str | None:
    """The value of a `Name: value` line (or `Name #value`) whose name is the words given."""
    if not name_words:
        return None
    name = r"[ _-]*".join(re.escape(word) for word in name_words)
    match = re.search(
        rf"(?im)^[ \t>*|-]*(?:\w+ )?\**{name}\**[ \t]*(?:no\.?|nr\.?)?[ \t]*[:=#|][ \t]*(\S[^\n|]*)", text
    )
    return match.group(1).strip().strip("*").strip() or None if match else None


def reference_number(text: str, kinds: list[str]) -> str | None:
    """A number such as `INV-2026-014` after a word such as `invoice`."""
    for kind in kinds:
        near = re.search(
            rf"(?i)\b{re.escape(kind)}s?\b\s*(?:number|num|no\.?|nr\.?|id|#)?\s*[:#=]?\s*([A-Z0-9][\w/-]*\d[\w/-]*)",
            text,
        )
        if near:
            return near.group(1)
    shaped = re.search(r"\b[A-Z]{2,5}[-/]?\d[\w/-]*\b", text)
    return shaped.group() if shaped else None


def has(text: str, phrase: str) -> int:
    """How often a word or phrase occurs as a whole."""
    return len(re.findall(rf"(?<!\w){re.escape(phrase.lower())}(?:s|ed|ing)?(?!\w)", text))


def _count(lowered: str, vocabulary: str) -> int:
    return sum(has(lowered, phrase) for phrase in vocabulary.split(", ") if phrase)


def mood(text: str) -> str:
    """The mood whose words are most frequent; `neutral` when none occurs."""
    lowered = text.lower()
    scores = {name: _count(lowered, vocabulary) for name, vocabulary in MOODS.items()}
    if "!!" in text or re.search(r"\b[A-Z]{4,}\b.*!", text):
        scores["angry"] += 1
    best = max(scores, key=lambda name: scores[name])
    return best if scores[best] else "neutral"


def topic(text: str) -> str | None:
    """The support topic whose words are most frequent, or None."""
    scores = {name: _count(text.lower(), vocabulary) for name, vocabulary in TOPICS.items()}
    best = max(scores, key=lambda name: scores[name])
    return best if scores[best] else None


def urgency(text: str) -> float:
    """How urgent a text sounds, from 0 to 1; 0.25 when no word says so."""
    lowered = text.lower()
    score = 1
    for weight, vocabulary in _URGENT:
        if _count(lowered, vocabulary):
            score += weight
    return min(1.0, max(0.0, score / 4))


def choose(options: list[str], text: str, name: str) -> str:
    """The option a text speaks of most, by its own words and by those of its mood or topic."""
    lowered = text.lower()
    scores = {option: 3 * has(lowered, option.replace("_", " ")) for option in options}
    felt, about = mood(text), topic(text)
    for option in options:
        key = option.lower().replace("_", " ")
        if key == felt or felt in _MOOD_SYNONYMS.get(key, ()):
            scores[option] += 2
        if about and (key == about or _TOPIC_SYNONYMS.get(key) == about):
            scores[option] += 4
        elif key in TOPICS:
            scores[option] += min(2, _count(lowered, TOPICS[key]))
    levels = ["low", "medium", "normal", "high", "urgent", "critical"]
    ranked = [option for level in levels for option in options if option.lower() == level]
    if len(ranked) == len(options) and not any(scores.values()):
        return ranked[min(len(ranked) - 1, int(urgency(text) * len(ranked)))]
    best = max(options, key=lambda option: scores[option])
    if scores[best]:
        return best
    vague = [o for o in options if o.lower() in ("other", "neutral", "unknown", "general", "none", "medium", "normal")]
    return vague[0] if vague else options[0]
