"""A bucket of object storage: files are put and fetched whole, listed, and removed. Whatever fails is said in words.

An object is there when all of it is, or not at all; one that is there can be listed at once (Amazon S3, "Strong
consistency", and what is compatible with it).

Removing leaves an empty object named after the folder, as `events/dt=2026-11-24/`: the library means to keep folders,
which a bucket does not have. It holds nothing, and is listed nowhere here.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from core.analytics.errors import damaged, no_bucket, refused, unreachable
from core.platform.lake_settings import BucketAddress
from core.platform.logging import get_logger

if TYPE_CHECKING:
    from pyarrow.fs import S3FileSystem

CONNECT_SECONDS, ANSWER_SECONDS = 3.0, 10.0
LOOK_SECONDS = 1.0
PIECE = 1 << 20
_REFUSALS = ("ACCESS_DENIED", "INVALID_ACCESS_KEY_ID", "SIGNATURE_DOES_NOT_MATCH", "INVALID_CLIENT_TOKEN_ID")

log = get_logger("analytics")


@dataclass(frozen=True, slots=True)
class Found:
    """An object: its key below the prefix, and its bytes."""

    key: str
    size: int


class Bucket:
    """The objects below a prefix of a bucket."""

    def __init__(self, address: BucketAddress) -> None:
        self.address = address
        self._root = "/".join(filter(None, (address.bucket, address.prefix)))

    @property
    def files(self) -> "S3FileSystem":
        """How pyarrow reads and writes there."""
        return _connect(self.address)

    def place(self, key: str) -> str:
        """A key as pyarrow names it."""
        return f"{self._root}/{key}" if key else self._root

    def put(self, path: Path, key: str) -> None:
        """Put a file there, and see that all of it is."""
        with speaking():
            with path.open("rb") as file, self.files.open_output_stream(self.place(key)) as out:
                while piece := file.read(PIECE):
                    out.write(piece)
            if self.files.get_file_info(self.place(key)).size != path.stat().st_size:
                raise damaged()

    def put_bytes(self, data: bytes, key: str) -> None:
        """Put a few bytes there."""
        with speaking(), self.files.open_output_stream(self.place(key)) as out:
            out.write(data)

    def fetch(self, key: str, path: Path) -> None:
        """Write an object to a file. Raises FileNotFoundError."""
        with speaking(), self.files.open_input_stream(self.place(key)) as file, path.open("wb") as out:
            while piece := file.read(PIECE):
                out.write(piece)

    def read(self, key: str) -> bytes | None:
        """A small object; None where there is none."""
        try:
            with speaking(), self.files.open_input_stream(self.place(key)) as file:
                return bytes(file.read())
        except FileNotFoundError:
            return None

    def pieces(self, key: str) -> Iterator[bytes]:
        """An object as it is stored. Raises FileNotFoundError."""
        with speaking(), self.files.open_input_stream(self.place(key)) as file:
            while piece := file.read(PIECE):
                yield piece

    def size(self, key: str) -> int | None:
        """How many bytes an object has; None where there is none."""
        from pyarrow.fs import FileType

        with speaking():
            found = self.files.get_file_info(self.place(key))
        return found.size if found.type == FileType.File else None

    def list(self, under: str) -> list[Found]:
        """Every object below a folder of the prefix."""
        from pyarrow.fs import FileSelector, FileType

        with speaking():
            found = self.files.get_file_info(FileSelector(self.place(under), recursive=True, allow_not_found=True))
        cut = len(self._root) + 1
        return [Found(each.path[cut:], each.size) for each in found if each.type == FileType.File]

    def remove(self, key: str) -> None:
        """Delete an object; nothing where there is none."""
        with speaking():
            try:
                self.files.delete_file(self.place(key))
            except FileNotFoundError:
                return
            except OSError:  # some stores refuse the name of a folder, once the object is deleted
                if self.size(key) is not None:
                    raise

    def check(self) -> None:
        """See that the bucket is there and answers. Raises LakeUnreachable."""
        _check(self.files, self._root)

    def look(self) -> None:
        """The same within two seconds or so: asked once, and not waited for."""
        _check(_connect(self.address, hurry=True), self._root)

    def relation(self, connection: Any, key: str) -> str:
        """A relation of DuckDB's over an object, read there whenever it is asked. Raises FileNotFoundError."""
        from pyarrow.dataset import dataset

        with speaking():
            data = dataset([self.place(key)], filesystem=self.files, format="parquet")
        name = f"object_{Path(key).stem.replace('-', '_')}"
        connection.register(name, data)
        return name


def _check(files: "S3FileSystem", place: str) -> None:
    from pyarrow.fs import FileSelector, FileType

    with speaking():
        try:
            files.get_file_info(FileSelector(place))  # what keys of this prefix alone may ask as well
        except FileNotFoundError:  # nothing lies there; or there is no such bucket, which is told by asking for it
            try:
                found = files.get_file_info(place.partition("/")[0])
            except OSError as error:
                if "ACCESS_DENIED" in str(error):
                    return
                raise
            if found.type == FileType.NotFound:
                raise no_bucket() from None


@contextmanager
def speaking() -> Iterator[None]:
    """Say what a bucket does not do as an error with words. Raises FileNotFoundError as it is, or LakeUnreachable."""
    try:
        yield
    except FileNotFoundError:
        raise
    except Exception as error:  # of pyarrow an OSError; where DuckDB reads through it, one of DuckDB's
        told = str(error)
        if "AWS Error" not in told and not isinstance(error, OSError):
            if "Path does not exist" in told:
                raise FileNotFoundError from None
            raise
        if isinstance(error, OSError) and "AWS Error" not in told:
            raise  # of a disk
        log.error("analytics.bucket_failed", error=told.partition("AWS Error ")[2].split(" ")[0])
        if any(each in told for each in _REFUSALS):
            raise refused() from None
        if "NO_SUCH_BUCKET" in told:
            raise no_bucket() from None
        raise unreachable() from None


@lru_cache(maxsize=8)
def _connect(address: BucketAddress, *, hurry: bool = False) -> "S3FileSystem":
    from pyarrow.fs import AwsStandardS3RetryStrategy, S3FileSystem

    scheme, _, host = address.endpoint.rpartition("://")
    if host:
        # Amazon's library adds a checksum behind the bytes unless it is told not to. Other stores keep it as content.
        os.environ.setdefault("AWS_REQUEST_CHECKSUM_CALCULATION", "when_required")
    return S3FileSystem(
        access_key=address.access_key_id or None,
        secret_key=address.secret_access_key or None,
        region=address.region or None,
        endpoint_override=host or None,
        scheme=scheme or "https",
        connect_timeout=LOOK_SECONDS if hurry else CONNECT_SECONDS,
        request_timeout=LOOK_SECONDS if hurry else ANSWER_SECONDS,
        retry_strategy=AwsStandardS3RetryStrategy(max_attempts=1 if hurry else 3),
        background_writes=False,
        allow_delayed_open=True,  # small files in one request
    )
