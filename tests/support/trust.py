"""TLS without the public authorities: tests reach only loopback, where none of them vouches for anybody.

Reading their certificates takes longer than most tests do, and is done for every client that is made. Certificates that
a test makes itself are trusted and refused as ever.
"""

import ssl
from typing import Any

import certifi


def leave_out_public_authorities() -> None:
    """Let no TLS context of this process read what a machine or certifi trusts by itself."""
    paths = ssl.get_default_verify_paths()
    public = {certifi.where(), paths.openssl_cafile, paths.cafile}
    load = ssl.SSLContext.load_verify_locations

    def load_own(self: ssl.SSLContext, cafile: Any = None, capath: Any = None, cadata: Any = None) -> None:
        own = None if cafile in public else cafile
        if own or cadata:
            load(self, own, None, cadata)

    ssl.SSLContext.load_verify_locations = load_own  # type: ignore[method-assign, assignment]
    ssl.SSLContext.load_default_certs = lambda self, purpose=ssl.Purpose.SERVER_AUTH: None  # type: ignore[method-assign]
