"""Which of our languages a browser or program prefers (RFC 9110, section 12.5.4)."""

from starlette.datastructures import Headers

from core.accounts.domain import LANGUAGES


def preferred_language(headers: Headers) -> str:
    """The first of our languages that `Accept-Language` names with the highest weight; else English."""
    best, weight = "en", 0.0
    for part in headers.get("accept-language", "")[:500].split(","):
        tag, _, quality = part.strip().partition(";q=")
        try:
            weighs = float(quality) if quality else 1.0
        except ValueError:
            continue
        language = tag.split("-")[0].strip().lower()
        if language in LANGUAGES and weighs > weight:
            best, weight = language, weighs
    return best
