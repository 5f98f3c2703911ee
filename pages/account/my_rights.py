"""The six rights as six plain cards: what happens, how long it takes, and the dialogs that ask what belongs to one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import streamlit as st

from core.accounts.domain import LANGUAGES, SessionView
from core.privacy.domain import GROUNDS, LONGEST_TEXT, Right
from core.privacy.rights import WORDS
from core.privacy.words import GROUND_WORDS, RIGHT_NAMES
from pages.account import my_data_actions as actions
from pages.ui.badges import icon
from pages.ui.privacy import ICONS

if TYPE_CHECKING:
    from core.platform.runtime import Runtime

CONFIRM = "/auth/confirm?then=my-data"
SPOKEN = {"en": "English", "fr": "Français"}


@dataclass(frozen=True)
class Card:
    """A right as it is offered: its question, what happens, how long, the words on its button."""

    right: Right
    title: str
    happens: str
    takes: str
    button: str
    asks: bool = True


CARDS = (
    Card(
        "access", "See everything", "A copy of all that is held about you, with why, who received it and until when.",
        "Ready within minutes as a rule; 30 days at most.", "Ask for a copy", asks=False,
    ),
    Card(
        "portability", "Take it elsewhere",
        "What you gave us and what your runs made, as JSON, CSV and YAML that another program reads.",
        "Ready within minutes as a rule; 30 days at most.", "Ask for my data", asks=False,
    ),
    Card(
        "rectification", "Correct it", "Your name, address and language at once. Anything else: say what is wrong, and "
        "somebody looks at it; until then the use of your data is restricted.",
        "At once, or 30 days at most.", "Correct",
    ),
    Card(
        "restriction", "Halt it", "Nothing is done with your data but to keep it: no runs, no schedules, no analytics, "
        "no deletion by age. You end it when you like.",
        "At once.", "Halt",
    ),
    Card(
        "objection", "Object", "Your use is not counted and no news is sent. You can object to something else, too: "
        "then somebody weighs your reasons.",
        "At once; reasons 30 days at most.", "Object",
    ),
    Card(
        "erasure", "Delete it all", "Your account with its pipelines, runs, files, secrets and keys, for good. What "
        "the law keeps, such as invoices, only accounting reads.",
        "Begins after 72 hours, in which you can take it back, or at once.", "Delete my account",
    ),
)  # fmt: skip


def draw_rights(runtime: Runtime, session: SessionView, waiting: frozenset[Right]) -> None:
    """The cards, two in a row. What is asked for already, or needs the password first, says so on its card."""
    confirmed = session.is_confirmed(runtime.clock.now())
    st.html('<h2 class="sq-id">Your rights</h2>')
    if not confirmed:
        st.html(
            '<div class="sq-empty">They are used within 10 minutes after your password, which shows that it is you. '
            f'<a class="sq-link" href="{CONFIRM}" target="_self">Confirm it</a>.</div>'
        )
    with st.container(key="my-rights"):
        for row in range(0, len(CARDS), 2):
            places = st.columns(2)
            for place, card in zip(places, CARDS[row : row + 2], strict=True):
                with place:
                    _draw_card(card, confirmed, card.right in waiting)


def _draw_card(card: Card, confirmed: bool, is_waiting: bool) -> None:
    with st.container(border=True, key=f"right-{card.right}", height="stretch"):
        st.html(
            f'<div class="sq-row">{icon(ICONS[card.right])}<h3 class="sq-id">{card.title}</h3></div>'
            f'<p class="sq-said">{card.happens}</p>'
            f'<p class="sq-facts">{card.takes} {RIGHT_NAMES[card.right]}, GDPR {WORDS[card.right].article}.</p>'
        )
        if is_waiting and card.right != "rectification":
            st.html('<p class="sq-facts">You asked for it: it is among your open requests.</p>')
            return
        act, args = (actions.open_dialog, (card.right,)) if card.asks else (actions.use, (card.right,))
        if confirmed:
            st.button(card.button, key=f"use-{card.right}", on_click=act, args=args)


def draw_dialog(session: SessionView, right: str) -> None:
    """The dialog of a right."""
    {"rectification": _correct, "erasure": _erase, "restriction": _restrict, "objection": _object}[right](session)


@st.dialog("Correct your data", icon=":material/edit:")
def _correct(session: SessionView) -> None:
    account = session.account
    st.text_input("Name", value=account.name, key="correct-name", max_chars=200, autocomplete="name")
    st.selectbox(
        "Language of mails", LANGUAGES, index=LANGUAGES.index(account.language), key="correct-language",
        format_func=SPOKEN.__getitem__,
    )  # fmt: skip
    st.text_input(
        "Address", value=account.email, key="correct-email", max_chars=320, autocomplete="email",
        help="A link is mailed to the new address; it counts once you followed it.",
    )  # fmt: skip
    st.text_area(
        "Something else that is wrong", key="correct-text", max_chars=LONGEST_TEXT, height=100,
        placeholder="What is wrong, and what would be right",
        help="Somebody looks at it. Until then nothing runs: the use of your data is restricted. You can end that.",
    )  # fmt: skip
    _buttons("Send", "correct-go", actions.correct)


@st.dialog("Delete your account?", icon=":material/delete:")
def _erase(_session: SessionView) -> None:
    st.html(
        "<p>Your pipelines, runs, files, secrets and keys go with it, for good. You are signed out everywhere else, "
        "and your schedules rest from now on. It begins in 72 hours; until then you can take it back here.</p>"
    )
    st.checkbox("Begin at once: it cannot be taken back then", key="erase-now")
    _buttons("Delete my account", "erase-go", actions.erase, keep="Keep it")


@st.dialog("Halt the use of your data", icon=":material/pause_circle:")
def _restrict(_session: SessionView) -> None:
    st.html("<p>No runs, schedules, analytics or news, from now on. You can end it at any time.</p>")
    st.selectbox(
        "Ground", GROUNDS, index=None, key="restrict-ground", format_func=GROUND_WORDS.__getitem__,
        placeholder="None: a halt of your own",
        help="With a ground somebody looks at it, and it lasts as long as the ground does.",
    )  # fmt: skip
    st.text_area("In your words", key="restrict-text", max_chars=LONGEST_TEXT, height=100)
    _buttons("Halt", "restrict-go", actions.restrict)


@st.dialog("Object", icon=":material/block:")
def _object(_session: SessionView) -> None:
    st.html("<p>Your use is not counted any more, and no news is sent, from now on.</p>")
    st.text_area(
        "Something else you object to, and why", key="object-text", max_chars=LONGEST_TEXT, height=100,
        help="Somebody weighs your reasons against ours. Until then the use of your data is restricted.",
    )  # fmt: skip
    _buttons("Object", "object-go", actions.object_to)


def _buttons(label: str, key: str, act: object, keep: str = "Not now") -> None:
    with st.container(horizontal=True):
        if st.button(label, type="primary", key=key, on_click=act):  # type: ignore[arg-type]
            st.rerun()
        if st.button(keep, key=f"{key}-not"):
            st.rerun()
