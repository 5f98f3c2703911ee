"""Looking for values of a person in every store: raw bytes of files, rows of tables, opened rows of people."""

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from threading import Thread
from typing import Any, BinaryIO

from sqlalchemy import Engine, create_engine

from core.accounts.queries import find_account, list_accounts
from core.analytics.proof import lake_texts
from core.platform.runtime import Runtime
from core.platform.tombstones import tombstone_file
from core.privacy.scan.domain import LONGEST_TEXT, NOT_SEARCHED, SHORTEST_TEXT, Hit, ScanResult
from core.privacy.scan.files import DATA, FINISH, OPEN, Root, ask, frame
from core.privacy.scan.streams import opened_rows, server_files, stored_tables
from core.shared.errors import InvalidInput, InvariantViolated

PROJECT = Path(__file__).resolve().parents[3]
CHILD = f"import sys; sys.path.insert(0, {str(PROJECT)!r}); from core.privacy.scan.files import main; main()"
PIECE = 1 << 18


def scan_text(runtime: Runtime, text: str) -> ScanResult:
    """Look for a text everywhere.

    An address is its person's: of opened rows only theirs are looked at. Any other text may be anybody's, so the rows
    of everybody are opened. Raises InvalidInput for a text that would be found everywhere by chance.
    """
    if not SHORTEST_TEXT <= len(text) <= LONGEST_TEXT:
        message = f"Give a text of {SHORTEST_TEXT} to {LONGEST_TEXT} characters: a shorter one is found by chance."
        raise InvalidInput("INVALID_TEXT", message)
    people: list[str] = []
    if _is_address(text):
        account = find_account(runtime, text)
        people = [account.id] if account else []
    else:
        people = [account.id for account in list_accounts(runtime)]
    return scan(runtime, [text], people=people)


def scan(
    runtime: Runtime,
    values: Sequence[str],
    *,
    people: Sequence[str] = (),
    between: Callable[[], None] = lambda: None,
) -> ScanResult:
    """Look for values in every store. `people`: whose rows are opened. `between` is called now and then.

    What is found is told by place and form. Raises InvariantViolated SCAN_FAILED when it did not come to its end.
    """
    roots, covered, missing = _roots(runtime)
    environment = {name: os.environ[name] for name in ("PATH", "LANG", "LC_ALL") if name in os.environ}
    child = subprocess.Popen(  # noqa: S603 - this interpreter, with a program of ours
        [sys.executable, "-c", CHILD], stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environment
    )
    assert child.stdin is not None and child.stdout is not None
    lines: list[dict[str, Any]] = []
    reader = Thread(target=_read, args=(child.stdout, lines), daemon=True)
    reader.start()
    try:
        child.stdin.write(ask(values, roots))
        for store, place, pieces in _streams(runtime, people):
            child.stdin.write(frame(OPEN, json.dumps({"store": store, "place": place}).encode()))
            for piece in _gathered(pieces):
                child.stdin.write(frame(DATA, piece))
                between()
        child.stdin.write(frame(FINISH))
        child.stdin.close()
        while reader.is_alive():
            reader.join(timeout=5)
            between()
    finally:
        child.kill()
        child.wait()
    end = lines[-1] if lines else {}
    if not end.get("done"):
        raise InvariantViolated("SCAN_FAILED", "The scan did not come to its end. Run it again.")
    found = (line for line in lines if "value" in line)
    hits = tuple(Hit(line["store"], line["place"], line["value"], line["form"]) for line in found)
    missing += [f"could not be read: {each}" for each in end["unreadable"]]
    return ScanResult(hits, tuple(covered), (*missing, *NOT_SEARCHED), end["read"])


def coverage(runtime: Runtime) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """What a scan of this installation looks through, and what it does not, in words."""
    _, covered, missing = _roots(runtime)
    return tuple(covered), (*missing, *NOT_SEARCHED)


def _streams(runtime: Runtime, people: Sequence[str]) -> Iterator[tuple[str, str, Iterator[bytes]]]:
    for store, engine, _ in _engines(runtime):
        for name, pieces in stored_tables(engine):
            yield store, name, pieces
        if store == "key store":
            engine.dispose()
    for name, pieces in lake_texts(runtime):
        yield "lake", name, pieces
    for name, pieces in opened_rows(runtime, people):
        yield "opened rows", name, pieces


def _engines(runtime: Runtime) -> tuple[tuple[str, Engine, str], ...]:
    keys = runtime.settings.key_store
    # A connection of its own for the key store: this reads it as anybody with the file would.
    return ("database", runtime.database.engine, runtime.settings.database), ("key store", create_engine(keys), keys)


def _roots(runtime: Runtime) -> tuple[list[Root], list[str], list[str]]:
    """Folders and files to look through; in words what is covered by all of it, and what could not be."""
    settings = runtime.settings
    data = settings.data_dir
    roots = [Root("data folder", str(data))]
    covered = [
        "every file of the data folder: database with write-ahead log and free pages, blobs, mails, exports, "
        "key store, list of erased accounts",
        "every row of every table, as stored",
        "every file of the lake of events, as stored and unpacked",
    ]
    if settings.lake_bucket is not None:
        covered.append("every object below the prefix of the lake's bucket, listed or not")
    if not settings.blobs.is_relative_to(data):
        roots.append(Root("blobs", str(settings.blobs)))
    if not settings.lake.is_relative_to(data):
        roots.append(Root("lake", str(settings.lake)))
    if not tombstone_file(data).is_relative_to(data):
        roots.append(Root("tombstones", str(tombstone_file(data))))
    missing: list[str] = []
    for store, engine, url in _engines(runtime):
        if engine.dialect.name == "sqlite":
            path = Path(url.removeprefix("sqlite:///"))
            if not path.resolve().is_relative_to(data):
                roots += [Root(store, str(path) + end) for end in ("", "-wal")]
            continue
        with engine.connect() as connection:
            known = server_files(connection)
        if store == "key store":
            engine.dispose()
        if known is None or not os.access(known[0], os.R_OK | os.X_OK):
            missing.append(
                f"files of PostgreSQL ({store}): its folder is not readable from here. Its rows were read; what "
                "deleted rows left in its pages and its log was not, and is sealed"
            )
            continue
        # Two databases of one server share its log.
        places = {f"{known[0]}/{below}" for below in known[1]} - {root.path for root in roots}
        roots += [Root(f"{store}, files of PostgreSQL", place) for place in sorted(places)]
        covered.append(f"files of PostgreSQL ({store}): pages of this database, and the write-ahead log")
    return roots, covered, missing


def _gathered(pieces: Iterator[bytes]) -> Iterator[bytes]:
    waiting = bytearray()
    for piece in pieces:
        waiting += piece
        if len(waiting) >= PIECE:
            yield bytes(waiting)
            waiting.clear()
    if waiting:
        yield bytes(waiting)


def _read(stdout: BinaryIO | Any, lines: list[dict[str, Any]]) -> None:
    for line in stdout:
        told = json.loads(line)
        if "value" in told or "done" in told:
            lines.append(told)


def _is_address(text: str) -> bool:
    name, at, host = text.rpartition("@")
    return bool(name and at and host) and not any(c.isspace() for c in text)
