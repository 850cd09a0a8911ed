"""Surroundings of foreign code: nothing printed, random state kept, and no network where that is forbidden."""

from __future__ import annotations

import contextlib
import io
import logging
import socket
import threading
import warnings
from collections.abc import Iterator
from typing import Any

from ...downloads import DownloadError, check_online

logger = logging.getLogger(__name__)


class _Depth(threading.local):
    depth = 0


_one_at_a_time = threading.Lock()
"""Settings changed below belong to the whole process: a second thread waits until the first restores them."""

_nesting = _Depth()


@contextlib.contextmanager
def quiet_and_allowed(device: str | None = "cpu") -> Iterator[None]:
    """Log what a library prints, start random states at 0 and restore them, those of `device` too, and let this
    thread's connections raise `OSError` where EDITMETRICS_OFFLINE or HF_HUB_OFFLINE forbid the network.

    >>> with quiet_and_allowed():
    ...     print("Loading pretrained model ...")
    """
    import random

    import numpy as np
    import torch

    if _nesting.depth:  # a metric of a library that uses another
        yield
        return
    gpus = [torch.device(device)] if device and torch.device(device).type == "cuda" else []
    printed = io.StringIO()
    _one_at_a_time.acquire()
    _nesting.depth += 1
    states = random.getstate(), np.random.get_state()
    try:
        with contextlib.redirect_stdout(printed), torch.random.fork_rng(gpus), _no_chatter(), _network_if_allowed():
            torch.random.default_generator.manual_seed(0)
            for gpu in gpus:
                with torch.cuda.device(gpu):
                    torch.cuda.manual_seed(0)
            random.seed(0)
            np.random.seed(0)  # the global state is what libraries draw from
            yield
    finally:
        random.setstate(states[0])
        np.random.set_state(states[1])
        _nesting.depth -= 1
        _one_at_a_time.release()
        if printed.getvalue().strip():
            logger.debug(printed.getvalue().strip())


def network_forbidden() -> str | None:
    """Say which variable forbids the network; None if it is allowed."""
    try:
        check_online()
    except DownloadError as error:
        return str(error)
    return None


@contextlib.contextmanager
def _no_chatter() -> Iterator[None]:
    """Silence a library's warnings and its log below warnings, which users cannot act on."""
    before = logging.root.manager.disable
    logging.disable(max(before, logging.INFO))
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(before)


@contextlib.contextmanager
def _network_if_allowed() -> Iterator[None]:
    """Refuse connections where the network is forbidden: libraries download by themselves and ignore our variables."""
    reason, thread, resolve = network_forbidden(), threading.get_ident(), socket.getaddrinfo
    if reason is None:
        yield
        return

    def refuse(*arguments: Any, **more: Any) -> Any:
        if threading.get_ident() == thread:
            raise OSError(reason)
        return resolve(*arguments, **more)

    socket.getaddrinfo = refuse
    try:
        yield
    finally:
        socket.getaddrinfo = resolve
