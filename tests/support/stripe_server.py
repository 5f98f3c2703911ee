"""The stand-in for Stripe on a port of loopback.

`python -m tests.support.stripe_server --port N --deliver URL --secret S` serves it alone, sends its events to an
address, and its Checkout pages have a button that pays.
"""

import argparse
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

import httpx
import uvicorn

from tests.support.stripe_stub import StripeStub, Thing


class StripeServer:
    """A stand-in on a port of loopback."""

    def __init__(self, stub: StripeStub) -> None:
        self.stub = stub
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._socket.getsockname()[1]}"
        config = uvicorn.Config(stub.app, log_level="error", lifespan="off")
        self._server = uvicorn.Server(config)
        self._thread = threading.Thread(target=self._server.run, kwargs={"sockets": [self._socket]}, daemon=True)
        self._thread.start()
        while not self._server.started and self._thread.is_alive():
            time.sleep(0.005)

    def close(self) -> None:
        self._server.should_exit = True
        self._server.force_exit = True
        self._thread.join(timeout=5)


@contextmanager
def stripe_in_thread(stub: StripeStub) -> Iterator[StripeServer]:
    """A stand-in for as long as the block."""
    server = StripeServer(stub)
    try:
        yield server
    finally:
        server.close()


def main() -> None:
    """Serve it alone."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--deliver", required=True)
    parser.add_argument("--secret", default="whsec_test")
    given = parser.parse_args()
    stub = StripeStub(secret=given.secret)
    stub.checkout_page = f"http://127.0.0.1:{given.port}/pay/"

    def deliver(event: Thing) -> None:
        body, signature = stub.signed(event)

        def send() -> None:
            httpx.post(given.deliver, content=body, headers={"Stripe-Signature": signature}, trust_env=False)

        threading.Thread(target=send).start()

    stub.on_event = deliver
    uvicorn.run(stub.app, host="127.0.0.1", port=given.port, log_level="error")


if __name__ == "__main__":
    main()
