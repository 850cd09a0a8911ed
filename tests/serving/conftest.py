"""A real server on loopback, in a thread: `serve(metrics, **options)` gives its URL."""

import contextlib
import threading

import pytest

pytest.importorskip("fastapi")


class Served:
    """`url` and `port` of a server, and what stopped it, if its metrics could not be loaded."""

    def __init__(self, metrics, header_timeout=20.0, **options):
        import uvicorn

        from editmetrics.serving.app import make_app
        from editmetrics.serving.batcher import ServingOptions
        from editmetrics.serving.connection import PatientProtocol
        from editmetrics.serving.listening import listening_socket

        protocol = type("Protocol", (PatientProtocol,), {"header_timeout": header_timeout})

        self.failures = []
        self._socket = listening_socket("127.0.0.1", 0)
        self.port = self._socket.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}"
        app = make_app(metrics, ServingOptions(on_failure=self.failures.append, **options))
        self._server = uvicorn.Server(uvicorn.Config(app, http=protocol, log_level="error"))
        self._thread = threading.Thread(target=self._server.run, kwargs={"sockets": [self._socket]})
        self._thread.start()  # requests wait in the socket's backlog until it listens

    def stop(self):
        self._server.should_exit = True
        self._thread.join()
        self._socket.close()


@pytest.fixture
def serve():
    with contextlib.ExitStack() as stack:

        def start(metrics, **options):
            served = Served(metrics, **options)
            stack.callback(served.stop)
            return served

        yield start
