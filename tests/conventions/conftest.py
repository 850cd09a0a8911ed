"""The judges' server, and no settings of the machine that the tests run on."""

from tests.judge.conftest import home, server

__all__ = ["home", "server"]
