"""What tests of several rooms share."""

from collections.abc import Iterator
from functools import cache

import pytest
from streamlit.components.v2 import manifest_scanner

from tests.support.vendor_stub import StubServer

# What is installed does not change while a process lives, in which an app is served once. Tests make an app each, and
# AppTest one a page: to read what every package says about itself took longer than most of them.
manifest_scanner.scan_component_manifests = cache(manifest_scanner.scan_component_manifests)


@pytest.fixture(scope="module")
def vendor() -> Iterator[StubServer]:
    """The vendors' stand-in, one for the module."""
    with StubServer() as server:
        yield server
