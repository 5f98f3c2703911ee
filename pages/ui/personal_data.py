"""Personal data in prompts, shown to the person whose it is to decide about: what was found where, and the choice."""

from __future__ import annotations

from collections.abc import Mapping
from html import escape

from core.execution.found_before import FoundBefore, FoundPlace
from core.shared.personal_data import KINDS, Finding, kinds_in_words
from pages.ui.badges import icon
from pages.ui.words import count, vendor

SAYS = {
    "off": ("Do not look", "Prompts are sent as they are, and nobody looks at them."),
    "warn": ("Warn me", "You are told before a run in the notebook; other runs note it. It is sent as it is."),
    "mask": (
        "Mask and restore",
        "Models get placeholders such as [EMAIL_1]; the values are put back in their answers.",
    ),
    "block": ("Block", "A step that would send any fails before its call."),
}
LIMITS = (
    "Found are e-mail addresses, phone numbers, IBANs, payment cards, national ids, IP addresses, and dates of birth "
    "beside a word that says so. Names, postal addresses and what a sentence tells of somebody are not."
)
PLACES = {"input": "Input", "prompt": "Prompt of", "output": "Output of"}
AROUND = 36  # characters of text on both sides of what was found
SHOWN = 6


def found_html(found: FoundBefore) -> str:
    """What was found, place by place, marked in its text."""
    to = " and ".join(vendor(provider) for provider in found.providers)
    places = "".join(_place_html(place) for place in found.places)
    return (
        f'<section class="sq-terms" aria-label="Personal data"><h3 class="sq-id">{icon("person_search")}'
        f"{escape(kinds_in_words(found.counts))}</h3>"
        f'<p class="sq-facts">This run would send {_as_is(found, escape(to))}.</p>{places}</section>'
    )


def found_line(found: FoundBefore) -> str:
    """One line above the cells; empty where there is nothing to say."""
    if not found.places:
        return ""
    to = escape(" and ".join(vendor(provider) for provider in found.providers))
    what = escape(kinds_in_words(found.counts))
    said = {
        "warn": f"<b>{what}</b> would be sent to {to} as they are.",
        "mask": f"<b>{what}</b>: {to} gets placeholders, and the values are put back in the answers.",
        "block": f"<b>{what}</b>: this pipeline blocks personal data, so the step that would send it fails.",
    }[found.screening]
    sign = {"warn": "visibility", "mask": "visibility_off", "block": "block"}[found.screening]
    where = ", ".join(f"{PLACES[place.kind].lower()} {place.name}" for place in found.places[:SHOWN])
    return (
        f'<div class="sq-found" role="status">{icon(sign)}<span>{said} <span class="sq-facts">In the {escape(where)}. '
        "You choose in the settings of the pipeline.</span></span></div>"
    )


def found_in_prompt(counts: Mapping[str, int], placeholders: Mapping[str, str]) -> str:
    """What was found in a prompt that was sent, and what its placeholders stand for."""
    what = escape(kinds_in_words(counts))
    if not placeholders:
        return f"Found in it: {what}."
    stands = "; ".join(f"{escape(name)} for {escape(value)}" for name, value in placeholders.items())
    return f"Found in it: {what}, kept back. Sent was {stands}."


def _as_is(found: FoundBefore, to: str) -> str:
    return f"it to {to} as it is" if sum(found.counts.values()) == 1 else f"them to {to} as they are"


def _place_html(place: FoundPlace) -> str:
    groups = _groups(place)
    rows = "".join(f"<li>{_marked(place.text, group)}</li>" for group in groups[:SHOWN])
    more = len(groups) - SHOWN
    rest = f'<li class="sq-facts">and {count(more, "more place")}</li>' if more > 0 else ""
    what = escape(kinds_in_words(place.counts))
    return (
        f'<div class="sq-place"><b>{PLACES[place.kind]} {escape(place.name)}</b> '
        f'<span class="sq-facts">{what}</span><ul>{rows}{rest}</ul></div>'
    )


def _groups(place: FoundPlace) -> list[list[Finding]]:
    """Findings that stand close together, and are shown together."""
    groups: list[list[Finding]] = []
    for finding in place.findings:
        if groups and finding.start - groups[-1][-1].end <= 2 * AROUND:
            groups[-1].append(finding)
        else:
            groups.append([finding])
    return groups


def _marked(text: str, group: list[Finding]) -> str:
    """The text around findings with each of them marked, from one word to another."""
    first, last = group[0].start, group[-1].end
    before, after = text[max(0, first - AROUND) : first], text[last : last + AROUND]
    if first > AROUND:
        before = "…" + before.partition(" ")[2]
    if last + AROUND < len(text):
        after = after.rpartition(" ")[0] + "…"
    parts, reached = [escape(before)], first
    for finding in group:
        name = escape(KINDS[finding.kind].one)
        parts += [
            escape(text[reached : finding.start]),
            f'<mark title="{name}">{escape(text[finding.start : finding.end])}</mark>',
        ]
        reached = finding.end
    return "".join((*parts, escape(after)))
