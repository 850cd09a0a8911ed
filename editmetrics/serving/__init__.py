"""Scores over HTTP: the server of `editmetrics serve`, and its `Client`; see `docs/serving.md`.

client = Client("http://127.0.0.1:8000")
scores = client.score([Sample("cat", edited="cat.png", prompt="a cat on a roof")])
"""

from .client import Client, ServerError, ServerUnavailableError

__all__ = ["Client", "ServerError", "ServerUnavailableError"]
