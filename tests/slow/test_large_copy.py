"""A copy of a gigabyte is made and fetched within 200 MB of memory."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow

LIMIT_MB = 200
SCRIPT = """
import sys, zipfile
from datetime import timedelta
from pathlib import Path

from benchmarks.memory import peak_mb
from core.accounts.authentication import sign_in
from core.accounts.commands import create_account
from core.accounts.queries import find_session
from core.bootstrap import build_runtime, prepare
from core.platform.files.commands import Upload
from core.platform.files.models import FileRow
from core.platform.files.queries import content_place
from core.platform.files.sealing import SealedWriter
from core.platform.settings import load_settings
from core.privacy.advance import advance_request
from core.privacy.export.fetching import fetch_copy
from core.privacy.models import PrivacyRequestRow

folder, megabytes = Path(sys.argv[1]), int(sys.argv[2])
runtime = build_runtime(load_settings(_env_file=None, data_dir=folder / "data", bcrypt_cost=4))
prepare(runtime)
person = create_account(runtime, email="ada@example.org", password="a long password of a test")
now, each = runtime.clock.now(), 64
random = open("/dev/urandom", "rb")
for number in range(megabytes // each):  # past the inspection, which holds a file in memory
    file_id = runtime.ids.new()
    writer = SealedWriter(runtime.vault, person.id, content_place(file_id), runtime.blobs.create(file_id))
    for _ in range(each):
        writer.write(random.read(1024 * 1024))
    writer.commit()
    row = FileRow(
        id=file_id, owner_id=person.id, kind="image", media_type="image/png", size=each * 1024 * 1024,
        name=runtime.vault.seal_text(person.id, f"files.name:{file_id}", f"{number}.png"),
        facts=runtime.vault.seal_json(person.id, f"files.facts:{file_id}", {}), fingerprint=b"-",
        created_at=now, last_used_at=now,
    )
    with runtime.database.write() as session:
        session.add(row)
request = PrivacyRequestRow(
    id=runtime.ids.new(), account_id=person.id, right="access", status="scheduled", received_at=now,
    due_at=now + timedelta(days=30), fence=0,
)
with runtime.database.write() as session:
    session.add(request)
assert advance_request(runtime, request.id)
view = find_session(runtime, sign_in(runtime, email=person.email, password="a long password of a test").token)
fetched = folder / "copy.zip"
with fetched.open("wb") as out:
    for piece in fetch_copy(runtime, view, request.id).pieces:
        out.write(piece)
assert fetched.stat().st_size > megabytes * 1024 * 1024
names = [name for name in zipfile.ZipFile(fetched).namelist() if name.startswith("files/")]
assert len(names) == megabytes // each, names
print(int(peak_mb()))
"""


def test_a_gigabyte_takes_less_than_200_mb_of_memory(tmp_path: Path) -> None:
    root = Path(__file__).resolve().parents[2]
    environment = {**os.environ, "PYTHONPATH": str(root)}
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, str(tmp_path), "1024"],
        cwd=root, env=environment, capture_output=True, text=True, timeout=900, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-2000:]
    assert int(done.stdout.split()[-1]) < LIMIT_MB
