"""What tests of several rooms share."""

from collections.abc import Iterator

import pytest

from tests.support.vendor_stub import StubServer


@pytest.fixture(scope="module")
def vendor() -> Iterator[StubServer]:
    """The vendors' stand-in, one for the module."""
    with StubServer() as server:
        yield server
