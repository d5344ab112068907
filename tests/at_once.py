"""Requests that are sent at the same time, each from a thread of its own."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

from werkzeug.test import TestResponse

PATIENCE = 30.0  # seconds


def at_once(*requests: Callable[[], TestResponse]) -> list[TestResponse]:
    """Send all together and return the answers in the order of the requests."""
    start = threading.Barrier(len(requests))

    def send(request: Callable[[], TestResponse]) -> TestResponse:
        start.wait(PATIENCE)
        return request()

    with ThreadPoolExecutor(len(requests)) as pool:
        return [each.result(PATIENCE) for each in [pool.submit(send, request) for request in requests]]
