"""Which origin a request comes from, and which paths and addresses are our own.

`APP_URL` names the installation's origin. In development people also reach it under another name of the
same machine (localhost for 127.0.0.1), so an origin whose authority is the request's own Host is ours too:
a browser writes both from the same address bar. That stays safe against DNS rebinding, because the session
cookie is bound to the host that set it and a rebound name has none.
"""

from urllib.parse import unquote, urlsplit

from starlette.datastructures import Headers

DEFAULT_PORTS = {"http": 80, "https": 443}
APP_HOME = "/app/"


def is_own_origin(headers: Headers, public_url: str) -> bool:
    """Whether the one `Origin` header there must be is ours. A missing, doubled or `null` one is not."""
    origins, hosts = headers.getlist("origin"), headers.getlist("host")
    if len(origins) != 1 or len(hosts) > 1:
        return False
    origin = _origin_of(origins[0])
    ours = _origin_of(public_url)
    if origin is None or ours is None:
        return False
    if origin == ours:
        return True
    if ours[0] == "https" and origin[0] != "https":
        return False  # a page that came over plain http may have been written by anybody on the way
    return bool(hosts) and _origin_of(f"{origin[0]}://{hosts[0]}") == origin


def comes_from_elsewhere(headers: Headers, public_url: str) -> bool:
    """Whether a browser says that another site sent this. Clients that are no browsers say nothing."""
    if headers.get("sec-fetch-site", "same-origin") not in ("same-origin", "none"):
        return True
    return "origin" in headers and not is_own_origin(headers, public_url)


def segments_of(path: str) -> list[str]:
    """A path as the most generous reader would understand it: decoded until it stays the same, backslashes as
    slashes, no empty, `.` or `..` segments, no parameters, no case."""
    for _ in range(8):
        decoded = unquote(path)
        if decoded == path:
            break
        path = decoded
    segments: list[str] = []
    for raw in path.replace("\\", "/").split("/"):
        plain = "".join(c for c in raw.split(";", 1)[0] if c.isprintable()).strip().casefold()
        if plain == "..":
            del segments[-1:]
        elif plain not in ("", "."):
            segments.append(plain)
    return segments


def safe_next(wanted: str | None) -> str:
    """Where to go after signing in: a path of the app on this host, else the app's first page."""
    if not wanted or len(wanted) > 2000 or not wanted.isprintable() or "\\" in wanted or not wanted.isascii():
        return APP_HOME
    try:
        parts = urlsplit(wanted)
    except ValueError:
        return APP_HOME
    under_app = wanted == "/app" or wanted.startswith(("/app/", "/app?"))
    if parts.scheme or parts.netloc or not under_app or " " in wanted:
        return APP_HOME
    segments = segments_of(parts.path)
    if segments[:1] != ["app"] or "_stcore" in segments or ".." in unquote(parts.path) or "//" in parts.path:
        return APP_HOME
    return wanted


def _origin_of(url: str) -> tuple[str, str, int] | None:
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        return None
    scheme = parts.scheme.lower()
    if scheme not in DEFAULT_PORTS or not parts.hostname or "@" in parts.netloc:
        return None
    return scheme, parts.hostname.lower().rstrip("."), port or DEFAULT_PORTS[scheme]
