"""What arrives over an open websocket of the app: a plain user never sees an admin page, however it is asked for."""

from __future__ import annotations

import json
from collections.abc import Iterator
from time import monotonic

import httpx
import pytest
from streamlit.proto.ClientState_pb2 import ClientState
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg
from streamlit.proto.WidgetStates_pb2 import WidgetState, WidgetStates
from streamlit.util import calc_hash
from websockets.exceptions import InvalidStatus

from tests.conftest import PASSWORD
from tests.support.app_socket import AppSocket, elements_of, fragments_of, pages_of, session_of, text_of
from tests.support.server import ROOT, ServerProcess
from tests.support.sqlite import put_migrated_database

pytestmark = pytest.mark.xdist_group("app_socket")  # one server for all of them
ADMIN_TITLE = ">Overview</h1>"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    data = tmp_path_factory.mktemp("socket") / "data"
    put_migrated_database(data)
    made = ServerProcess(data)
    made.start()
    yield made
    made.stop()


@pytest.fixture(scope="module")
def admin_cookie(server: ServerProcess) -> str:
    return _make_person(server, "ada@example.org", "--admin")


@pytest.fixture(scope="module")
def plain_cookie(server: ServerProcess) -> str:
    return _make_person(server, "bob@example.org")


@pytest.fixture
def admin(server: ServerProcess, admin_cookie: str) -> Iterator[AppSocket]:
    with AppSocket(server.url, admin_cookie) as socket:
        yield socket


@pytest.fixture
def plain(server: ServerProcess, plain_cookie: str) -> Iterator[AppSocket]:
    with AppSocket(server.url, plain_cookie) as socket:
        yield socket


def _make_person(server: ServerProcess, email: str, *options: str) -> str:
    made = server.command("user", "create", email, "--password-stdin", *options, stdin=PASSWORD + "\n")
    assert made.returncode == 0, made.stderr
    return server.sign_in(email, PASSWORD)


def _admin_pages(admin: AppSocket, plain: AppSocket) -> dict[str, str]:
    """The pages that only the admin's navigation lists: URL path by hash."""
    for_all = pages_of(plain.rerun())
    found = {page: path for page, path in pages_of(admin.rerun()).items() if page not in for_all}
    assert len(for_all) > 3 and found, "both have their pages"
    return found


def _around(admin: AppSocket) -> set[bytes]:
    """What is drawn around a page of everybody's, as an admin sees it."""
    return elements_of(admin.rerun(ClientState(page_name="usage")))


def _own_elements(admin: AppSocket, page: str, around: set[bytes]) -> tuple[set[bytes], list[ForwardMsg]]:
    """What one page draws that no page of everybody's draws, as its admin sees it."""
    answer = admin.rerun(ClientState(page_script_hash=page))
    return elements_of(answer) - around, answer


def _guessed_hashes() -> set[str]:
    """Hashes that Streamlit could have made of a page: of its URL path, of its file, of its module."""
    scripts = [path for path in (ROOT / "admin").rglob("*.py") if path.name != "__init__.py"]
    ways = (str, lambda p: str(p.relative_to(ROOT)), lambda p: p.stem, lambda p: ".".join(p.relative_to(ROOT).parts))
    return {calc_hash(ways[number % len(ways)](path)) for number, path in enumerate(sorted(scripts))}


def test_no_admin_page_is_rendered_for_a_plain_user(admin: AppSocket, plain: AppSocket) -> None:
    pages = _admin_pages(admin, plain)
    drawn, around = set[bytes](), _around(admin)
    for page, path in pages.items():
        own, _ = _own_elements(admin, page, around)
        assert own, f"{path}: the admin sees something that others do not"
        drawn |= own
    # A fragment of one's own, which runs without the main script, on the page of another.
    fragments = fragments_of(plain.rerun())
    guessed = (*_guessed_hashes(), "Overview", "overview", "admin/overview.py")
    asks = [ClientState(page_script_hash=each) for each in guessed[:-3]]
    asks += [ClientState(page_name=each) for each in guessed[-3:]]
    for number, (page, path) in enumerate(pages.items()):
        asks += [ClientState(page_script_hash=page, page_name=path), ClientState(page_name=path)]
        # The stranger ways, of which none knows one page from another: one on each page, so each on some.
        stranger = [ClientState(page_name=each) for each in (path.upper(), f"/{path}", f"admin/{path}")]
        stranger += [ClientState(page_script_hash=page, page_name=path, query_string=f"page={path}")]
        stranger += [ClientState(page_script_hash=page, fragment_id=each) for each in fragments]
        stranger += [
            ClientState(page_script_hash=page, page_name=path, is_auto_rerun=auto, is_history_navigation=back)
            for auto, back in ((True, True), (True, False), (False, True))
        ]
        asks.append(stranger[number % len(stranger)])
    for state in asks:
        seen = plain.rerun(state)
        assert not elements_of(seen) & drawn, state
        assert not pages_of(seen).keys() & pages.keys(), state
        assert ADMIN_TITLE not in text_of(seen), state
    assert len(asks) > 15


def test_the_admin_gets_the_page_by_hash_and_by_name(admin: AppSocket, plain: AppSocket) -> None:
    around = _around(admin)
    for page, path in _admin_pages(admin, plain).items():
        own, by_hash = _own_elements(admin, page, around)
        by_name = admin.rerun(ClientState(page_name=path))
        assert len(own - elements_of(by_name)) <= 1, f"{path}: all but what says how late it is"
        assert own & elements_of(by_name), path
        assert path != "admin" or (ADMIN_TITLE in text_of(by_hash) and ADMIN_TITLE in text_of(by_name))


def test_a_link_sent_as_a_widget_opens_no_admin_page(admin: AppSocket, plain: AppSocket) -> None:
    """The app's own links are a component's event: the server must not follow one to a page that is not there."""
    (page, path), *_ = _admin_pages(admin, plain).items()
    own, _ = _own_elements(admin, page, _around(admin))

    def follow(socket: AppSocket, target: str) -> list[ForwardMsg]:
        usage = next(page for page, path in pages_of(socket.rerun()).items() if path == "usage")
        socket.rerun(ClientState(page_script_hash=usage))
        components = [
            message.delta.new_element.bidi_component.id
            for message in socket.rerun(ClientState(page_script_hash=usage))
            if message.delta.new_element.WhichOneof("type") == "bidi_component"
        ]
        event = json.dumps([{"event": "event", "value": {"href": f"/app/{target}"}}])
        clicked = [
            WidgetState(id=f"$$STREAMLIT_INTERNAL_KEY_{component}__events", json_trigger_value=event)
            for component in components
        ]
        return socket.rerun(ClientState(page_script_hash=usage, widget_states=WidgetStates(widgets=clicked)))

    assert own <= elements_of(follow(admin, path)), "the event is one that works"
    assert not elements_of(follow(plain, path)) & own


def test_an_admins_connection_cannot_be_taken_over(server: ServerProcess, admin_cookie: str, plain: AppSocket) -> None:
    """Streamlit hands an earlier session to whoever names it: its pages must ask again who is looking."""
    with AppSocket(server.url, admin_cookie) as admin:
        (page, path), *_ = _admin_pages(admin, plain).items()
        own, answer = _own_elements(admin, page, _around(admin))
        session = session_of(answer)
    plain_cookie = server.sign_in("bob@example.org", PASSWORD)
    with AppSocket(server.url, plain_cookie, "no-token", session) as taken:
        for state in (ClientState(), ClientState(page_script_hash=page), ClientState(page_name=path)):
            seen = taken.rerun(state)
            assert session_of(seen) == session, "the earlier session was handed over"
            assert not elements_of(seen) & own
            assert "ada@example.org" not in text_of(seen)


def test_the_address_of_an_admin_page_holds_nothing_of_it(server: ServerProcess, plain_cookie: str) -> None:
    headers = {"Accept": "text/html", "Cookie": plain_cookie}
    with httpx.Client(base_url=server.url, trust_env=False, headers=headers) as client:
        shell = client.get("/app/")
        assert shell.status_code == 200
        for path in ("/app/admin", "/app/overview", "/app/admin/overview.py"):
            answer = client.get(path)
            assert answer.text == shell.text or answer.status_code == 404, path


def test_nothing_of_the_app_is_drawn_after_signing_out_elsewhere(server: ServerProcess, plain_cookie: str) -> None:
    cookie = server.sign_in("bob@example.org", PASSWORD)
    with AppSocket(server.url, cookie) as socket:
        before = socket.rerun()
        assert "bob@example.org" in text_of(before)
        _sign_out(server, cookie)
        states = [ClientState(), ClientState(page_name="usage"), ClientState(page_name="runs")]
        states += [ClientState(fragment_id=each) for each in fragments_of(before)]
        for state in states:  # quicker than the connection is closed
            after = socket.rerun(state)
            assert not pages_of(after)
            assert all(b"<style>" in each for each in elements_of(after) & elements_of(before))
            assert "bob@example.org" not in text_of(after)


def test_an_open_connection_ends_with_its_session(server: ServerProcess, plain_cookie: str) -> None:
    cookie = server.sign_in("bob@example.org", PASSWORD)
    with AppSocket(server.url, cookie) as socket, AppSocket(server.url, plain_cookie) as other:
        before = socket.rerun()
        other.rerun()
        _sign_out(server, cookie)
        signed_out = monotonic()
        after = socket.until_closed()
        assert monotonic() - signed_out < 10, "a look a second, and a moment to say so"
        assert "Signed out" in text_of(after), "the page that covers what was there comes unasked"
        assert "bob@example.org" not in text_of(after)
        assert not (elements_of(after) & elements_of(before)) - {
            each for each in elements_of(before) if b"<style>" in each
        }
        assert pages_of(other.rerun()), "the person's other session lives"
    with pytest.raises(InvalidStatus):
        AppSocket(server.url, cookie)


def test_a_new_password_ends_every_open_connection(server: ServerProcess) -> None:
    cookies = [_make_person(server, "eve@example.org"), server.sign_in("eve@example.org", PASSWORD)]
    with AppSocket(server.url, cookies[0]) as one, AppSocket(server.url, cookies[1]) as two:
        one.rerun()
        two.rerun()
        changed = server.command("user", "password", "eve@example.org", "--password-stdin", stdin=PASSWORD + "7\n")
        assert changed.returncode == 0, changed.stderr
        for socket in (one, two):
            assert "Signed out" in text_of(socket.until_closed())


def _sign_out(server: ServerProcess, cookie: str) -> None:
    headers = {"Authorization": f"Bearer {cookie.split('=', 1)[1]}"}
    assert httpx.post(server.url + "/api/auth/logout", headers=headers, trust_env=False).status_code == 204
