"""Files as inputs of a run: who may give which, and what steps then see of them."""

from __future__ import annotations

import pytest

from core.accounts.commands import create_account
from core.accounts.domain import Account
from core.execution.attachments import (
    MOST_IMAGES,
    find_attachments,
    images_of,
    marks_of,
    rows_of,
    template_value,
    template_values,
    use_attachments,
)
from core.platform.files.commands import delete_file, store_file
from core.platform.files.domain import KINDS, TABULAR
from core.platform.files.queries import get_file
from core.platform.runtime import Runtime
from core.shared.errors import InvalidInput, NotFound, ProviderError
from tests.conftest import PASSWORD
from tests.support import samples

ANY = {"report": KINDS}


def test_an_input_that_is_a_file_is_given_by_its_id(runtime: Runtime, owner: Account) -> None:
    table = store_file(runtime, owner.id, "people.csv", samples.CSV)
    picture = store_file(runtime, owner.id, "me.png", samples.image())
    accepted = {"people": TABULAR, "photo": ("image",), "more": KINDS}
    given = {"people": table.id, "photo": picture.id, "more": None, "other": "x"}
    attached = find_attachments(runtime, owner.id, accepted, given)
    assert attached == {"people": table, "photo": picture}
    assert template_values(runtime, attached) == {"people": samples.CSV.decode(), "photo": "[image: me.png]"}
    assert [row["name"] for row in rows_of(runtime, attached["people"])] == ["Ada", "Grace"]
    assert find_attachments(runtime, owner.id, accepted, {}) == {}


def test_everything_that_is_wrong_is_said_at_once(runtime: Runtime, owner: Account) -> None:
    eve = create_account(runtime, email="eve@example.org", password=PASSWORD)
    theirs = store_file(runtime, eve.id, "x", b"their words")
    mine = store_file(runtime, owner.id, "x", b"my words")
    with pytest.raises(InvalidInput) as caught:
        find_attachments(
            runtime,
            owner.id,
            {"a": KINDS, "b": KINDS, "c": KINDS, "d": TABULAR, "e": ("image",)},
            {"a": theirs.id, "b": "no-such-id", "c": 7, "d": mine.id, "e": mine.id},
        )
    assert caught.value.code == "INVALID_INPUT"
    found = {detail["path"]: (detail["code"], detail["message"]) for detail in caught.value.context["details"]}
    assert {path: code for path, (code, _) in found.items()} == {
        "input.a": "FILE_NOT_FOUND",
        "input.b": "FILE_NOT_FOUND",
        "input.c": "FILE_NOT_FOUND",
        "input.d": "FILE_KIND",
        "input.e": "FILE_KIND",
    }
    assert found["input.a"][1] == "`a` must be the id of one of your files.", "nothing tells it from no file"
    assert found["input.d"][1] == "`d` is a text file, but must be a CSV file or a JSON file or a Parquet file."


def test_a_run_keeps_its_files_in_its_own_transaction(runtime: Runtime, owner: Account) -> None:
    file = store_file(runtime, owner.id, "x", b"my words")
    attached = find_attachments(runtime, owner.id, ANY, {"report": file.id})
    later = file.created_at.replace(year=2030)
    with pytest.raises(ZeroDivisionError), runtime.database.write() as session:
        use_attachments(session, owner.id, attached, now=later)
        1 / 0  # noqa: B018  (the run is not written after all)
    assert get_file(runtime, owner.id, file.id).last_used_at == file.last_used_at
    with runtime.database.write() as session:
        use_attachments(session, owner.id, attached, now=later)
        use_attachments(session, owner.id, {}, now=later)
    assert get_file(runtime, owner.id, file.id).last_used_at == later
    delete_file(runtime, owner.id, file.id)
    with pytest.raises(NotFound), runtime.database.write() as session:
        use_attachments(session, owner.id, attached, now=later)


def test_what_templates_print_of_every_kind(runtime: Runtime, owner: Account) -> None:
    def printed(name: str, content: bytes) -> str:
        return template_value(runtime, store_file(runtime, owner.id, name, content))

    assert printed("a.pdf", samples.pdf("Total 12")) == "Total 12"
    assert printed("a.json", b'{"a": 1}') == '{"a": 1}'
    assert printed("a.md", b"# Title\n") == "# Title\n"
    assert printed("t.parquet", samples.table(a=[1, 2])) == "[table: t.parquet, 2 rows]"


def test_pictures_for_models_that_see(runtime: Runtime, owner: Account) -> None:
    photo = store_file(runtime, owner.id, "p.jpg", samples.photograph((400, 300)))
    text = store_file(runtime, owner.id, "t.txt", b"words")
    cards = {name: runtime.catalogue.find(name) for name in ("gpt-4o", "gpt-3.5-turbo", "demo", "claude-sonnet-4-5")}
    for name in ("gpt-4o", "claude-sonnet-4-5", "demo"):
        card = cards[name]
        assert card is not None
        (part,) = images_of(runtime, card, [text, photo, photo])
        assert (part.media_type, part.width, part.height) == ("image/jpeg", 300, 400), "upright"
        assert b"48.8584 N" not in part.data
    blind = cards["gpt-3.5-turbo"]
    assert blind is not None and images_of(runtime, blind, [text]) == ()
    with pytest.raises(ProviderError, match=r"gpt-3\.5-turbo cannot see images"):
        images_of(runtime, blind, [text, photo])


def test_a_call_takes_a_bounded_number_of_pictures(runtime: Runtime, owner: Account) -> None:
    card = runtime.catalogue.find("gpt-4o")
    assert card is not None
    small = [store_file(runtime, owner.id, f"{n}.png", samples.image(size=(9, 9))) for n in range(MOST_IMAGES + 1)]
    assert len(images_of(runtime, card, small[:-1])) == MOST_IMAGES
    with pytest.raises(InvalidInput, match=f"{MOST_IMAGES + 1} images; {MOST_IMAGES} are allowed"):
        images_of(runtime, card, small)


def test_marks_follow_the_content_and_not_the_name(runtime: Runtime, owner: Account) -> None:
    def mark(name: str, content: bytes) -> object:
        file = store_file(runtime, owner.id, name, content)
        return marks_of({"report": file})["report"]

    assert mark("a.txt", b"a,b\n1,2\n") == mark("b.txt", b"a,b\n1,2\n")
    assert mark("a.txt", b"a,b\n1,2\n") != mark("a.txt", b"a,b\n1,3\n")
    assert mark("a.txt", b"a,b\n1,2\n") != mark("a.csv", b"a,b\n1,2\n"), "read in another way"
