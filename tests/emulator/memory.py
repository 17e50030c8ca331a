"""The emulator without sockets behind the same few names as an `Emulator`, and with the errors of http.client."""

from __future__ import annotations

import http.client
import itertools
import random
from collections.abc import Mapping
from typing import Any

from tests.emulator.raw import IN_MEMORY, Reply
from vod_widget.emulator import ConnectionLost, InMemoryEmulator

_NUMBERS = itertools.count(1)


class MemoryEmulator(InMemoryEmulator):
    """What a simulator has, for the tests that an `Emulator` passes too."""

    def __init__(self, **options: Any) -> None:
        super().__init__(rng=random.Random(next(_NUMBERS)), **options)
        self.endpoint = f"http://127.0.0.{next(_NUMBERS) % 250 + 2}:9"
        IN_MEMORY[self.endpoint] = self._send

    def close(self) -> None:
        del IN_MEMORY[self.endpoint]

    def _send(self, method: str, target: str, headers: Mapping[str, str], body: Any) -> Reply:
        data = body.encode() if isinstance(body, str) else bytes(body or b"")
        named = {"Host": self.endpoint.removeprefix("http://"), **headers}
        try:
            answer = self.send(method, target, named, data)
        except ConnectionLost as lost:
            if lost.code == "Truncated":
                raise http.client.IncompleteRead(lost.partial) from lost
            raise ConnectionResetError(lost.code) from lost
        return Reply(answer.status, answer.headers, answer.body)
