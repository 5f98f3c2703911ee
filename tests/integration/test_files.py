"""Files stored, read and deleted on real parts: both databases, the sealed folder, the inspecting child."""

from __future__ import annotations

import os
import shutil
import zlib
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select, update

from core.accounts.commands import create_account
from core.accounts.domain import Account
from core.platform.files import inspection
from core.platform.files.commands import (
    Upload,
    delete_file,
    delete_orphans,
    delete_unused,
    store_file,
)
from core.platform.files.domain import KINDS
from core.platform.files.models import FileRow
from core.platform.files.postings import use_files
from core.platform.files.queries import (
    file_rows,
    file_text,
    find_files,
    get_file,
    image_bytes,
    list_files,
    read_file,
)
from core.platform.files.sealing import CHUNK, LENGTH
from core.platform.runtime import Runtime
from core.shared.errors import AppError, InvalidInput, InvariantViolated, LimitExceeded, NotFound
from jobs import retention
from tests.conftest import PASSWORD
from tests.support import samples
from tests.support.clock import FixedClock

CANARY = "walrus-canary-7781"


@pytest.fixture
def stranger(runtime: Runtime) -> Account:
    return create_account(runtime, email="eve@example.org", password=PASSWORD)


@pytest.fixture
def keeper(sqlite_runtime: Runtime) -> Account:
    return create_account(sqlite_runtime, email="ada@example.org", password=PASSWORD)


def blobs_of(runtime: Runtime) -> list[Path]:
    return sorted(path for path in runtime.settings.blobs.rglob("*") if path.is_file())


def blob_of(runtime: Runtime, file_id: str) -> Path:
    return next(path for path in blobs_of(runtime) if path.name == file_id)


def test_a_file_comes_back_as_it_was_sent(runtime: Runtime, owner: Account) -> None:
    file = store_file(runtime, owner.id, "people.csv", samples.CSV)
    assert (file.kind, file.media_type, file.size) == ("csv", "text/csv", len(samples.CSV))
    assert file.facts["rows"] == 2 and file.facts["columns"] == ["name", "age", "member", "postcode"]
    assert get_file(runtime, owner.id, file.id) == file
    assert b"".join(read_file(runtime, owner.id, file.id)) == samples.CSV
    assert file_text(runtime, owner.id, file.id) == samples.CSV.decode()
    assert list(file_rows(runtime, owner.id, file.id)) == [
        {"name": "Ada", "age": 36, "member": True, "postcode": "007"},
        {"name": "Grace", "age": None, "member": False, "postcode": "123"},
    ]
    delete_file(runtime, owner.id, file.id)
    assert blobs_of(runtime) == []
    with pytest.raises(NotFound):
        get_file(runtime, owner.id, file.id)


def test_rows_text_and_images_of_every_kind(runtime: Runtime, owner: Account) -> None:
    def rows(name: str, content: bytes) -> list[dict[str, Any]]:
        return list(file_rows(runtime, owner.id, store_file(runtime, owner.id, name, content).id))

    assert rows("a.json", b'[{"a": 1}, "two", [3]]') == [{"a": 1}, {"value": "two"}, {"value": [3]}]
    assert rows("b.json", b'{"a": 1}') == [{"a": 1}]
    assert rows("c.jsonl", b'{"a": 1}\n\n{"a": 2}\n') == [{"a": 1}, {"a": 2}]
    assert rows("d", samples.table(n=[1, 2], s=["x", None])) == [{"n": 1, "s": "x"}, {"n": 2, "s": None}]
    assert rows("e.csv", 'a;b\r\n"1\r\n2";Zoë\r\n\r\n3\r\n'.encode("utf-16")) == [
        {"a": "1\r\n2", "b": "Zoë"},
        {"a": "3", "b": ""},
    ]
    pdf = store_file(runtime, owner.id, "a.pdf", samples.pdf("Total 12", "Page two"))
    assert file_text(runtime, owner.id, pdf.id) == "Total 12\n\nPage two"
    text = store_file(runtime, owner.id, "a.txt", "Olá\r\nmundo".encode("cp1252"))
    assert file_text(runtime, owner.id, text.id) == "Olá\nmundo"
    picture = store_file(runtime, owner.id, "a.png", samples.image("PNG", (40, 30)))
    shown = image_bytes(runtime, owner.id, picture.id)
    assert (shown.media_type, shown.width, shown.height) == ("image/png", 40, 30) and shown.data[:4] == b"\x89PNG"
    for refused, code in ((file_rows, "FILE_HAS_NO_ROWS"), (file_text, "FILE_HAS_NO_TEXT")):
        with pytest.raises(InvalidInput) as caught:
            refused(runtime, owner.id, picture.id)
        assert caught.value.code == code
    with pytest.raises(InvalidInput, match="no image"):
        image_bytes(runtime, owner.id, text.id)


def test_a_strangers_file_is_no_file(runtime: Runtime, owner: Account, stranger: Account) -> None:
    file = store_file(runtime, owner.id, "people.csv", samples.CSV)
    for read in (get_file, read_file, file_text, file_rows, image_bytes, delete_file):
        with pytest.raises(NotFound) as caught:
            read(runtime, stranger.id, file.id)
        assert caught.value.code == "FILE_NOT_FOUND"
    assert find_files(runtime, stranger.id, [file.id]) == {}
    assert list_files(runtime, stranger.id).items == ()
    with pytest.raises(NotFound), runtime.database.write() as session:
        use_files(session, stranger.id, [file.id], now=runtime.clock.now())
    assert get_file(runtime, owner.id, file.id) == file, "nothing of it was touched"


def test_lists_are_paged_newest_first(runtime: Runtime, owner: Account) -> None:
    ids = [store_file(runtime, owner.id, f"{n}.txt", b"text %d" % n).id for n in range(3)]
    first = list_files(runtime, owner.id, limit=2)
    assert [file.id for file in first.items] == ids[:0:-1] and first.next_cursor == ids[1]
    rest = list_files(runtime, owner.id, limit=2, cursor=first.next_cursor)
    assert [file.id for file in rest.items] == ids[:1] and rest.next_cursor is None


def test_equal_contents_have_one_fingerprint_for_their_owner_only(
    runtime: Runtime, owner: Account, stranger: Account
) -> None:
    prints = [store_file(runtime, who.id, "x", b"same words").fingerprint for who in (owner, owner, stranger)]
    assert prints[0] == prints[1] != prints[2]
    assert store_file(runtime, owner.id, "x", b"other words").fingerprint != prints[0]


@pytest.mark.parametrize("kind", ["csv", "json", "text", "pdf", "image", "parquet"])
def test_no_plain_byte_reaches_the_disk(runtime: Runtime, owner: Account, kind: str) -> None:
    content = {
        "csv": f"a,b\n{CANARY},1\n".encode() * 40_000,
        "json": b'{"a": "%s"}' % CANARY.encode(),
        "text": (CANARY + " ").encode() * 40_000,
        "pdf": samples.pdf(CANARY),
        "image": samples.commented_png(CANARY),
        "parquet": samples.table(a=[CANARY, CANARY]),
    }[kind]
    assert CANARY.encode() in content
    file = store_file(runtime, owner.id, f"{CANARY}.dat", content)
    assert file.kind == kind
    if kind not in ("image", "parquet"):
        assert CANARY in file_text(runtime, owner.id, file.id)
    assert_nowhere(runtime.settings.data_dir, CANARY)
    with runtime.database.read() as session:
        row = session.scalars(select(FileRow)).one()
    assert CANARY.encode() not in row.name + row.facts and CANARY.encode() not in repr(file).encode()
    paths = blobs_of(runtime)
    assert {path.name for path in paths} <= {file.id, f"{file.id}.derived"}
    assert {path.stat().st_mode & 0o777 for path in paths} == {0o600}
    assert runtime.settings.blobs.stat().st_mode & 0o777 == 0o700


def assert_nowhere(folder: Path, text: str) -> None:
    searched = 0
    for path in folder.rglob("*"):
        if path.is_file():
            searched += 1
            assert text.encode() not in path.read_bytes(), path
    assert searched >= 2


def test_what_is_refused_leaves_nothing(runtime: Runtime, owner: Account) -> None:
    for content in (b"", samples.zip_bomb(), samples.SVG, samples.ELF, samples.pdf(""), b"a,b\x00"):
        with pytest.raises(InvalidInput):
            store_file(runtime, owner.id, "a.csv", content)
    with pytest.raises(ZeroDivisionError), Upload(runtime, owner.id) as upload:
        upload.write(b"x" * 600_000)
        1 / 0  # noqa: B018  (a client that went away)
    assert blobs_of(runtime) == [] and list_files(runtime, owner.id).items == ()


def test_sizes_are_counted_while_they_arrive(runtime_with: Callable[..., Runtime]) -> None:
    runtime = runtime_with(file_max_mb=1, files_max_mb=2)
    owner = create_account(runtime, email="ada@example.org", password=PASSWORD)
    taken = 0

    def endless() -> Iterator[bytes]:
        nonlocal taken
        while True:
            taken += 1
            yield b"x" * 100_000

    with pytest.raises(LimitExceeded) as caught:
        store_file(runtime, owner.id, "x", endless())
    assert caught.value.code == "FILE_TOO_LARGE" and taken == 11
    megabyte = b"word " * (1024 * 1024 // 5)
    kept = [store_file(runtime, owner.id, f"{n}", megabyte) for n in range(2)]
    with pytest.raises(LimitExceeded) as caught:
        store_file(runtime, owner.id, "x", b"more")
    assert caught.value.code == "FILE_SPACE_FULL"
    assert len(blobs_of(runtime)) == 2
    delete_file(runtime, owner.id, kept[0].id)
    store_file(runtime, owner.id, "x", b"more")


def chunks_of(blob: bytes) -> list[bytes]:
    found, place = [], 0
    while place < len(blob):
        end = place + LENGTH.size + LENGTH.unpack(blob[place : place + LENGTH.size])[0]
        found.append(blob[place:end])
        place = end
    return found


def test_chunks_cannot_be_swapped_dropped_repeated_cut_or_altered(sqlite_runtime: Runtime, keeper: Account) -> None:
    runtime = sqlite_runtime
    content = os.urandom(3 * CHUNK // 2).hex().encode()  # three chunks, none alike
    file = store_file(runtime, keeper.id, "x", content)
    other = store_file(runtime, keeper.id, "y", content)
    path = blob_of(runtime, file.id)
    whole = path.read_bytes()
    one, two, three = chunks_of(whole)
    flipped, unversioned = bytearray(whole), bytearray(whole)
    flipped[len(one) // 2] ^= 1
    unversioned[LENGTH.size] = 3  # the compressed chunk as if it were plain
    for altered in (
        two + one + three,
        one + three,
        one + two,
        one,
        one + two + three + three,
        one + one + two + three,
        whole[:-1],
        whole + b"\0",
        b"",
        bytes(flipped),
        bytes(unversioned),
        bytes(unversioned[:4] + b"\x01" + whole[5:]),
        LENGTH.pack(2**31) + whole[4:],
        blob_of(runtime, other.id).read_bytes(),
        one + two + chunks_of(blob_of(runtime, other.id).read_bytes())[2],
    ):
        path.write_bytes(altered)
        with pytest.raises(InvariantViolated) as caught:
            list(read_file(runtime, keeper.id, file.id))
        assert caught.value.code == "SEAL_BROKEN"
    path.write_bytes(whole)
    assert b"".join(read_file(runtime, keeper.id, file.id)) == content


@pytest.mark.parametrize("size", [1, CHUNK - 1, CHUNK, CHUNK + 1, 2 * CHUNK])
def test_sizes_around_a_chunk(sqlite_runtime: Runtime, keeper: Account, size: int) -> None:
    content = b"x" * size
    file = store_file(sqlite_runtime, keeper.id, "x", (content[at : at + 1_000] for at in range(0, size, 1_000)))
    assert b"".join(read_file(sqlite_runtime, keeper.id, file.id)) == content
    assert len(chunks_of(blob_of(sqlite_runtime, file.id).read_bytes())) == max(1, -(-size // CHUNK))


def test_a_content_that_is_lost_is_said_to_be(sqlite_runtime: Runtime, keeper: Account) -> None:
    file = store_file(sqlite_runtime, keeper.id, "x", b"some words")
    blob_of(sqlite_runtime, file.id).unlink()
    with pytest.raises(NotFound, match="Upload it again"):
        read_file(sqlite_runtime, keeper.id, file.id)


def test_files_are_deleted_with_the_runs_that_used_them(
    runtime_with: Callable[..., Runtime], database_settings: dict[str, str]
) -> None:
    clock = FixedClock()
    runtime = runtime_with(clock=clock, **database_settings)
    free, paid = (
        create_account(runtime, email=f"{plan}@example.org", password=PASSWORD, plan=plan) for plan in ("free", "pro")
    )
    files = {who: [store_file(runtime, who.id, f"{n}.txt", b"text %d" % n) for n in range(2)] for who in (free, paid)}
    clock.advance(days=60)
    with runtime.database.write() as session:
        use_files(session, free.id, [files[free][0].id], now=clock.now())
    clock.advance(days=31)  # 91 since the upload, 31 since the run
    assert retention.run(runtime, clock.now()) == 1
    assert [file.id for file in list_files(runtime, free.id).items] == [files[free][0].id]
    assert len(list_files(runtime, paid.id).items) == 2, "a paid plan keeps a year"
    clock.advance(days=60)
    retention.run(runtime, clock.now())
    assert list_files(runtime, free.id).items == () and len(list_files(runtime, paid.id).items) == 2
    clock.advance(days=250)
    retention.run(runtime, clock.now())
    assert list_files(runtime, paid.id).items == () and blobs_of(runtime) == []


def test_a_file_in_use_is_not_deleted_by_a_sweep_that_saw_it_unused(runtime: Runtime, owner: Account) -> None:
    file = store_file(runtime, owner.id, "x", b"some words")
    with runtime.database.write() as session:
        session.execute(update(FileRow).values(last_used_at=file.created_at - timedelta(days=100)))
    before = file.created_at - timedelta(days=90)
    with runtime.database.write() as session:
        use_files(session, owner.id, [file.id], now=runtime.clock.now())
    assert delete_unused(runtime, owner.id, before=before) == 0
    assert get_file(runtime, owner.id, file.id).last_used_at > file.created_at


def test_what_a_crash_left_is_found_and_removed(runtime: Runtime, owner: Account) -> None:
    kept = store_file(runtime, owner.id, "a.pdf", samples.pdf("kept"))
    lost = store_file(runtime, owner.id, "b.pdf", samples.pdf("lost"))
    cut = Upload(runtime, owner.id)
    cut.write(b"x" * (CHUNK + 10))
    cut._writer._blob._file.flush()  # type: ignore[union-attr]
    with runtime.database.write() as session:  # a crash between the row's end and the blobs'
        session.delete(session.scalars(select(FileRow).where(FileRow.id == lost.id)).one())
    assert len(blobs_of(runtime)) == 5
    assert delete_orphans(runtime) == 0, "an upload that goes on has a blob and no row"
    for path in blobs_of(runtime):
        os.utime(path, (0, 0))
    foreign = runtime.settings.blobs / blobs_of(runtime)[0].parent.name / "README"
    foreign.write_text("not ours")
    os.utime(foreign, (0, 0))
    assert delete_orphans(runtime) == 3
    assert {path.name for path in blobs_of(runtime)} == {kept.id, f"{kept.id}.derived", "README"}
    assert file_text(runtime, owner.id, kept.id) == "kept"
    cut.__exit__(None, None, None)


def test_the_child_has_limits_and_no_secrets(
    sqlite_runtime: Runtime, keeper: Account, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("STEPIQ_MASTER_KEY", "0" * 64)
    monkeypatch.setenv("ANTHROPIC_API_KEY", "sk-secret")

    def try_in_child(code: str) -> str:
        program = f"{inspection._PROGRAM.split('import main')[0]}import main, _limit; _limit(); {code}"
        monkeypatch.setattr(inspection, "_PROGRAM", program)
        try:
            return inspection.inspect_apart(b"x", "x", "").media_type
        except AppError as error:
            return error.code
        finally:
            monkeypatch.undo()

    answer = 'import json; print(json.dumps({"kind": "text", "media_type": %s, "facts": {}, "derived": False}))'
    assert try_in_child(answer % "repr(sorted(__import__('os').environ))") in ("['LC_CTYPE']", "[]")
    assert try_in_child("bytearray(4 << 30)") == "FILE_TOO_COMPLEX"
    target = sqlite_runtime.settings.data_dir / "leak"
    assert try_in_child(f"open({str(target)!r}, 'w').write('x' * 9999)") == "FILE_TOO_COMPLEX"
    assert not target.exists() or target.read_bytes() == b""
    monkeypatch.setattr(inspection, "SECONDS", 0.3)
    monkeypatch.setattr(inspection, "_PROGRAM", "while True: pass")
    with pytest.raises(InvalidInput) as caught:
        store_file(sqlite_runtime, keeper.id, "x", b"x")
    assert caught.value.code == "FILE_TOO_COMPLEX"
    assert blobs_of(sqlite_runtime) == []


def test_the_folder_is_a_setting(runtime_with: Callable[..., Runtime], tmp_path: Path) -> None:
    elsewhere = tmp_path / "else where"
    runtime = runtime_with(blob_url=elsewhere.as_uri())
    owner = create_account(runtime, email="ada@example.org", password=PASSWORD)
    store_file(runtime, owner.id, "x", b"some words")
    assert runtime.settings.blobs == elsewhere and len(blobs_of(runtime)) == 1
    assert not (runtime.settings.data_dir / "blobs").exists()
    shutil.rmtree(elsewhere)
    for wrong in ("s3://bucket/x", "file://host/x", "https://x"):
        with pytest.raises(InvalidInput, match="must be a folder"):
            runtime_with(blob_url=wrong)


def test_every_kind_is_reachable(runtime: Runtime, owner: Account) -> None:
    contents = (samples.CSV, b"[1]", samples.table(a=[1]), b"text", samples.pdf("x"), samples.image())
    assert tuple(store_file(runtime, owner.id, "", content).kind for content in contents) == KINDS


def test_what_was_sealed_before_the_version_was_covered_still_opens(sqlite_runtime: Runtime, keeper: Account) -> None:
    cipher = sqlite_runtime.vault._cipher(keeper.id)
    for version, value in ((1, b"short"), (2, zlib.compress(b"long " * 200))):
        sealed = bytes([version]) + b"n" * 12 + cipher.encrypt(b"n" * 12, value, b"notes.text:1")
        opened = sqlite_runtime.vault.open(keeper.id, "notes.text:1", sealed)
        assert opened == (value if version == 1 else zlib.decompress(value))
    for broken in (b"", b"\x03short"):
        with pytest.raises(InvariantViolated):
            sqlite_runtime.vault.open(keeper.id, "notes.text:1", broken)
