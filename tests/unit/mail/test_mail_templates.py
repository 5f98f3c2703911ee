"""Every kind of mail exists in each language as text and HTML, and uses exactly the values it declares."""

import re
from itertools import product

import pytest
from jinja2 import UndefinedError, meta

from core.platform.mail.domain import KINDS, LANGUAGES
from core.platform.mail.rendering import FOLDER, environment, render

SHARED = {"cut", "site_url", "language", "title"}
EACH = list(product(KINDS, LANGUAGES))


def values_of(kind: str) -> dict[str, str]:
    return {name: f'<{name}> & "it\'s"\nsecond line' for name in KINDS[kind].values}


def used_by(name: str) -> set[str]:
    source = (FOLDER / name).read_text(encoding="utf-8")
    return meta.find_undeclared_variables(environment().parse(source))


def test_there_are_these_templates_and_no_others() -> None:
    wanted = {f"{kind}.{language}.{form}" for kind, language in EACH for form in ("txt", "html")}
    assert {path.name for path in FOLDER.iterdir()} == wanted | {"layout.txt", "layout.html"}


@pytest.mark.parametrize(("kind", "language"), EACH)
def test_a_kind_renders_with_its_values(kind: str, language: str) -> None:
    values = values_of(kind)
    made = render(kind, language, values, cut=True, site_url="https://stepiq.example")
    assert "\n" not in made.subject and made.subject
    for name, value in values.items():
        escaped = value.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
        escaped = escaped.replace('"', "&#34;").replace("'", "&#39;")
        assert name == "subject" or value in made.text, name
        assert escaped in made.html and f"<{name}>" not in made.html, name
    assert made.text.endswith("stepIQ, https://stepiq.example\n")
    assert f'<html lang="{language}">' in made.html and 'href="https://stepiq.example/"' in made.html
    assert "<img" not in made.html and "http://" not in made.html, "nothing is loaded from anywhere"


@pytest.mark.parametrize(("kind", "language"), EACH)
def test_a_template_uses_what_its_kind_declares_and_nothing_else(kind: str, language: str) -> None:
    text, html = used_by(f"{kind}.{language}.txt"), used_by(f"{kind}.{language}.html")
    assert text - SHARED == KINDS[kind].values
    assert (html | text) - SHARED == KINDS[kind].values
    for missing in KINDS[kind].values:
        fewer = {name: value for name, value in values_of(kind).items() if name != missing}
        with pytest.raises(UndefinedError):
            render(kind, language, fewer, cut=False, site_url="https://stepiq.example")


@pytest.mark.parametrize("kind", KINDS)
def test_what_may_be_empty_leaves_no_gap(kind: str) -> None:
    optional = {"step", "message", "answer_by"}
    values = {name: "" if name in optional else "value" for name in KINDS[kind].values}
    for language in LANGUAGES:
        text = render(kind, language, values, cut=False, site_url="https://stepiq.example").text
        assert "\n\n\n" not in text and not re.search(r"[^-] +\n", text), text


def test_the_languages_differ() -> None:
    for kind in KINDS:
        one, other = (render(kind, language, values_of(kind), cut=True, site_url="x").text for language in LANGUAGES)
        assert one != other
    assert not re.search(r"(?<! ) [:»]|« ", "".join(p.read_text() for p in FOLDER.glob("*.fr.txt"))), "spaces that hold"


def test_text_stands_out_from_its_ground() -> None:
    """WCAG 2.2, 1.4.3: 4.5 to 1, for every pair of colours that the layout sets."""
    rules = re.findall(r"\{ ([^}]*) \}", (FOLDER / "layout.html").read_text())
    grounds = ["#ffffff", "#f6f7f9"]
    pairs = 0
    for rule in rules:
        text = re.search(r"(?:^|; )color: (#[0-9a-f]{6})", rule)
        own = re.search(r"background: (#[0-9a-f]{6})", rule)
        for ground in [own[1]] if own else grounds:
            if text:
                pairs += 1
                assert contrast(text[1], ground) >= 4.5, rule
    assert pairs >= 6


def contrast(one: str, other: str) -> float:
    def luminance(color: str) -> float:
        parts = [int(color[at : at + 2], 16) / 255 for at in (1, 3, 5)]
        red, green, blue = (p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts)
        return 0.2126 * red + 0.7152 * green + 0.0722 * blue

    light, dark = sorted((luminance(one), luminance(other)), reverse=True)
    return (light + 0.05) / (dark + 0.05)
