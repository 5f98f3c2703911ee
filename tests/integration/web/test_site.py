"""The public pages."""

import re
import tomllib

from starlette.testclient import TestClient

from core.accounts.plans import PLANS
from web.site.plans import PLAN_CARDS
from web.site.routes import STATIC


def test_the_landing_page_says_what_it_is_and_what_it_costs(client: TestClient) -> None:
    page = client.get("/")
    assert page.status_code == 200 and page.headers["content-type"] == "text/html; charset=utf-8"
    assert page.text.count("<h1>") == 1
    for text in ("19 EUR", "49 EUR", "The price before you run", "Runs that survive", 'href="/auth/login"'):
        assert text in page.text
    assert re.search(r'<svg class="picture|<img class="picture"', page.text)
    assert "set-cookie" not in page.headers


def test_the_prices_are_those_of_the_plans() -> None:
    for card in PLAN_CARDS:
        plan = PLANS[card.name.lower()]
        if plan.monthly_credits is not None:
            assert card.credits == f"{plan.monthly_credits:,} credits a month"
            assert card.runs == f"{plan.runs_a_day} runs a day"
        assert card.steps == f"{plan.steps} steps a pipeline"
        assert card.pipelines == (f"{plan.pipelines} pipelines" if plan.pipelines else "Unlimited pipelines")


def test_the_privacy_page_claims_no_evidence_before_a_check_and_sets_no_cookie(client: TestClient) -> None:
    page = client.get("/privacy")
    assert page.text.count("cannot tell yet") == 27 and "have not run yet" in page.text
    assert page.status_code == 200 and "set-cookie" not in page.headers
    assert "stepiq_session" in page.text and "bonjour@ligerianlabs.fr" in page.text


def test_only_the_files_of_the_site_are_served(client: TestClient) -> None:
    sheet = client.get("/static/site/site.css")
    assert sheet.status_code == 200 and sheet.headers["content-type"].startswith("text/css")
    fonts = re.findall(r'url\("([^"]+)"\)', sheet.text)
    assert len(fonts) == 2
    for font in fonts:
        answer = client.get(font)
        assert answer.status_code == 200 and answer.content.startswith(b"wOF2")
    for path in ("../routes.py", "..%2Froutes.py", "/etc/passwd", "fonts/", "", "nothing.css"):
        assert client.get(f"/static/site/{path}").status_code == 404
    assert client.post("/static/site/site.css").status_code == 405


def test_the_picture_replaces_the_diagram_once_it_is_there(client: TestClient, monkeypatch, tmp_path) -> None:
    head = b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR" + (1360).to_bytes(4, "big") + (960).to_bytes(4, "big")
    (tmp_path / "notebook.png").write_bytes(head)
    monkeypatch.setattr("web.site.routes.STATIC", tmp_path)
    page = client.get("/").text
    assert 'src="/static/site/notebook.png" width="1360" height="960"' in page and "<svg" not in page
    assert "<source" not in page
    (tmp_path / "notebook-phone-dark.png").write_bytes(head)
    page = client.get("/").text
    assert '<source media="(max-width: 40rem) and (prefers-color-scheme: dark)" srcset="/static/site/note' in page
    (tmp_path / "notebook.png").unlink()
    assert "<source" not in client.get("/").text, "none but for some screens"


def test_unknown_addresses_are_404_for_every_method(client: TestClient) -> None:
    for method in ("GET", "POST", "PUT", "DELETE"):
        assert client.request(method, "/nowhere").status_code == 404
    assert "Not found" in client.get("/nowhere").text


def test_text_stands_out_from_its_ground_in_both_modes() -> None:
    """WCAG 2.2, 1.4.3: 4.5 to 1 for text; 1.4.11: 3 to 1 for the edges of fields."""
    for tokens in _tokens():
        for ground in ("ground", "panel"):
            for text in ("ink", "muted", "link"):
                assert _contrast(tokens[text], tokens[ground]) >= 4.5, (text, ground)
        assert _contrast(tokens["on-accent"], tokens["accent"]) >= 4.5
        assert _contrast(tokens["failed"], tokens["ground"]) >= 4.5
        assert _contrast(tokens["failed"], tokens["failed-panel"]) >= 4.5
        assert _contrast(tokens["field-line"], tokens["ground"]) >= 3


def _contrast(one: str, other: str) -> float:
    def luminance(color: str) -> float:
        parts = [int(color[at : at + 2], 16) / 255 for at in (1, 3, 5)]
        red, green, blue = (p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts)
        return 0.2126 * red + 0.7152 * green + 0.0722 * blue

    light, dark = sorted((luminance(one), luminance(other)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


def test_the_site_has_the_colours_of_the_app() -> None:
    theme = tomllib.loads((STATIC.parents[2] / ".streamlit" / "config.toml").read_text())["theme"]
    light, dark = _tokens()
    for tokens, mode in ((light, theme["light"]), (dark, theme["dark"])):
        assert tokens["accent"] == mode["primaryColor"] and tokens["ground"] == mode["backgroundColor"]
        assert tokens["panel"] == mode["secondaryBackgroundColor"] and tokens["ink"] == mode["textColor"]
        assert tokens["link"] == mode["linkColor"] and tokens["line"] == mode["borderColor"]


def _tokens() -> tuple[dict[str, str], dict[str, str]]:
    parts = (STATIC / "site.css").read_text().split("@media (prefers-color-scheme: dark)", 2)[:2]
    light, dark = (dict(re.findall(r"--([\w-]+): (#[0-9a-f]{6})", part)) for part in parts)
    return light, {**light, **dark}
