"""`/dev/mail`: there for who develops on this machine, and for nobody else."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from starlette.applications import Starlette
from starlette.testclient import TestClient

from core.platform.mail.commands import send_due
from core.platform.mail.postings import enqueue_mail
from core.platform.mail.queries import get_filed_mail, list_filed_mails
from core.platform.runtime import Runtime
from web.middleware import build_middleware
from web.routes import build_routes

TO = "grace@example.org"
LOOPBACK = ("127.0.0.1", 50000)


@contextmanager
def client_of(runtime: Runtime, *, base: str = "http://127.0.0.1:8501", client: Any = LOOPBACK) -> Iterator[TestClient]:
    """A browser on this machine, or wherever it is said to be."""
    app = Starlette(routes=build_routes(runtime), middleware=build_middleware(runtime))
    with TestClient(app, base_url=base, client=client, follow_redirects=False) as made:
        yield made


def mail(runtime: Runtime, cause: str, **values: str) -> None:
    """Deliver one mail into the data folder."""
    url = f"{runtime.settings.public_url}/app/run?id=1"
    given = {"pipeline": "Digest", "subject": "Weekly <digest>", "text": "A & <script>b</script>", "run_url": url}
    with runtime.database.write() as session:
        enqueue_mail(runtime, session, kind="delivery", to=TO, values={**given, **values}, cause=cause)
    assert send_due(runtime) == 1


def test_before_the_first_mail_the_page_says_what_will_appear(sqlite_runtime: Runtime) -> None:
    with client_of(sqlite_runtime) as client:
        page = client.get("/dev/mail")
    assert page.status_code == 200 and "Nothing was mailed yet" in page.text and "SMTP_URL" in page.text


def test_mails_are_listed_newest_first_and_shown(sqlite_runtime: Runtime) -> None:
    mail(sqlite_runtime, "1", subject="Older")
    mail(sqlite_runtime, "2")
    newest, older = list_filed_mails(sqlite_runtime)
    path = sqlite_runtime.settings.mail_dir / f"{newest.id}.eml"
    assert path.stat().st_mode & 0o777 == 0o600 and path.parent.stat().st_mode & 0o777 == 0o700
    with client_of(sqlite_runtime) as client:
        listed = client.get("/dev/mail")
        assert listed.status_code == 200 and listed.headers["cache-control"] == "no-store"
        assert listed.text.index(newest.id) < listed.text.index(older.id)
        assert "Weekly &lt;digest&gt;" in listed.text and TO in listed.text and "UTC" in listed.text
        shown = client.get(f"/dev/mail/{newest.id}")
        assert shown.status_code == 200 and shown.headers["cache-control"] == "no-store"
        assert "A &amp; &lt;script&gt;b&lt;/script&gt;" in shown.text and "<script" not in shown.text
        assert f'src="/dev/mail/{newest.id}/html" sandbox="' in shown.text
        assert 'href="http://127.0.0.1:8501/app/run?id=1"' in shown.text, "links in the text can be followed"
        assert "script-src 'none'" in shown.headers["content-security-policy"]
        assert shown.headers["x-frame-options"] == "DENY" and "set-cookie" not in shown.headers
        part = client.get(f"/dev/mail/{newest.id}/html")
        assert part.status_code == 200 and part.headers["cache-control"] == "no-store"
        policy = part.headers["content-security-policy"]
        assert "default-src 'none'" in policy and "sandbox" in policy and "allow-scripts" not in policy
        assert "allow-same-origin" not in policy and "frame-ancestors 'self'" in policy
        assert part.headers["x-frame-options"] == "SAMEORIGIN"
        assert '<head><base target="_blank">' in part.text
        assert "&lt;script&gt;" in part.text and "<script" not in part.text


def test_addresses_of_no_mail_are_404(sqlite_runtime: Runtime) -> None:
    mail(sqlite_runtime, "1")
    (sqlite_runtime.settings.data_dir / "other.eml").write_text("To: x@example.org\n\nsecret")
    with client_of(sqlite_runtime) as client:
        for path in ("0" * 36, "..%2Fother", "%2e%2e/other", "", "x/html", "01890000-0000-7000-8000-000000000000"):
            assert client.get(f"/dev/mail/{path}").status_code == 404, path
        assert client.post("/dev/mail").status_code == 404
    assert get_filed_mail(sqlite_runtime, "../other") is None


@pytest.mark.parametrize(
    "settings",
    [
        {"env": "production", "master_key": "ab" * 32, "app_url": "https://stepiq.example", "bcrypt_cost": 12},
        {"smtp_url": "smtp://127.0.0.1:2525"},
        {"host": "0.0.0.0", "app_url": "http://127.0.0.1:8501"},
        {"app_url": "http://stepiq.example"},
        {"app_url": "http://192.168.1.5:8501"},
    ],
)
def test_elsewhere_the_pages_do_not_exist(runtime_with: Callable[..., Runtime], settings: dict[str, Any]) -> None:
    here = runtime_with()
    mail(here, "1")
    (filed,) = list_filed_mails(here)
    runtime = runtime_with(**settings)
    for base in ("http://127.0.0.1:8501", runtime.settings.public_url):
        with client_of(runtime, base=base) as client:
            for path in ("/dev/mail", f"/dev/mail/{filed.id}", f"/dev/mail/{filed.id}/html"):
                answer = client.get(path)
                assert answer.status_code == 404 and "Weekly" not in answer.text and "Nothing was" not in answer.text


@pytest.mark.parametrize(
    ("base", "client"),
    [
        ("http://rebound.example:8501", LOOPBACK),  # a page whose name was pointed at loopback after it was loaded
        ("http://127.0.0.1.example:8501", LOOPBACK),
        ("http://127.0.0.1:8501", ("192.168.1.9", 50000)),
        ("http://127.0.0.1:8501", None),
    ],
)
def test_requests_of_others_find_nothing(sqlite_runtime: Runtime, base: str, client: Any) -> None:
    mail(sqlite_runtime, "1")
    (filed,) = list_filed_mails(sqlite_runtime)
    for allowed in ("http://localhost:8501", "http://127.0.0.1:9000", "http://[::1]:8501"):
        with client_of(sqlite_runtime, base=allowed) as local:
            assert local.get("/dev/mail").status_code == 200
    with client_of(sqlite_runtime, base=base, client=client) as foreign:
        for path in ("/dev/mail", f"/dev/mail/{filed.id}", f"/dev/mail/{filed.id}/html"):
            assert foreign.get(path).status_code == 404
