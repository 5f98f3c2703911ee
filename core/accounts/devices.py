"""What a browser says it is, in words a person knows. It is what the client claims, and shown as no more."""

import re

LONGEST = 80
BROWSERS = (
    ("Edge", r"\bEdg(?:e|A|iOS)?/"),
    ("Opera", r"\bOPR/"),
    ("Samsung Internet", r"\bSamsungBrowser/"),
    ("Firefox", r"\b(?:Firefox|FxiOS)/"),
    ("Chrome", r"\b(?:Chrome|CriOS|HeadlessChrome)/"),
    ("Safari", r"\bVersion/[\d.]+.*Safari/"),
)
SYSTEMS = (
    ("Android", r"\bAndroid\b"),
    ("iPhone", r"\biPhone\b"),
    ("iPad", r"\biPad\b"),
    ("Windows", r"\bWindows\b"),
    ("macOS", r"\bMac OS X\b"),
    ("ChromeOS", r"\bCrOS\b"),
    ("Linux", r"\bLinux\b"),
)


def device_words(user_agent: str) -> str:
    """`Firefox on Linux`; for a program what it calls itself (`curl/8.5`), without more."""
    browser, system = _first(BROWSERS, user_agent), _first(SYSTEMS, user_agent)
    if browser:
        return f"{browser} on {system}" if system else browser
    program = "".join(c for c in user_agent.split(" ")[0] if c.isprintable())[:LONGEST]
    return program or "An unknown program"


def place_of(account_id: str, user_agent: str, client: str) -> str:
    """What a sign-in is told apart by: whose, with what, from which network."""
    return f"{account_id} {device_words(user_agent)} {client}"


def _first(known: tuple[tuple[str, str], ...], user_agent: str) -> str | None:
    return next((name for name, pattern in known if re.search(pattern, user_agent)), None)
