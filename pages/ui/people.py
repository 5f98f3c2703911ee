"""How operators see a person: an opaque id that leads to their room, and the state of their account."""

from __future__ import annotations

from html import escape

from core.accounts.people import PersonView
from pages.ui.badges import text_badge
from pages.ui.navigator import base_path

ROLE_WORDS: dict[str, str] = {"admin": "Admin", "privacy_admin": "Privacy admin", "accounting": "Accounting"}
STANDING_LOOKS = {
    "active": ("active", "green"),
    "suspended": ("suspended", "red"),
    "restricted": ("restricted", "amber"),
    "closing": ("being deleted", "gray"),
}


def person_link(account_id: str) -> str:
    """The end of an id, which leads to the person's room."""
    address = escape(f"{base_path()}person?person={account_id}")
    return (
        f'<a href="{address}" target="_self" title="{escape(account_id)}"><code>…{escape(account_id[-8:])}</code></a>'
    )


def standing_badge(person: PersonView) -> str:
    """The state of an account; nothing for who is well."""
    return "" if person.standing == "active" else text_badge(*STANDING_LOOKS[person.standing])


def role_badges(roles: frozenset[str]) -> str:
    """A badge a role."""
    return " ".join(text_badge(words.lower()) for role, words in ROLE_WORDS.items() if role in roles)
