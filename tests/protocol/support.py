"""What the tests of the two network edges share."""

from __future__ import annotations

import time
import traceback
from collections.abc import Iterator

from vod_widget.model import Credentials, UploadAddress, UploadAuth

TOKEN = "CAISsentinelTOKENsentinelTOKENsentinel+/=="
SECRET = "sentinelSECRETsentinelSECRET"
KEY_ID = "STS.NSentinelKeyIdSentinel01"
LEAKS = (TOKEN, SECRET, KEY_ID, TOKEN.replace("+", "%2B").replace("/", "%2F").replace("=", "%3D"))


class WallClock:
    """The machine's clocks; wall time may be wrong on purpose."""

    def __init__(self, error_s: float = 0.0) -> None:
        self.error_s = error_s

    def now_s(self) -> float:
        return time.time() + self.error_s

    def monotonic_s(self) -> float:
        return time.monotonic()


class Bytes:
    """A body over memory; counts how often it is iterated and which blocks it gave."""

    def __init__(self, data: bytes, block_bytes: int = 1 << 20) -> None:
        self.data = memoryview(data)
        self.block_bytes = block_bytes
        self.given: list[int] = []

    def __len__(self) -> int:
        return len(self.data)

    def __iter__(self) -> Iterator[memoryview]:
        for start in range(0, len(self.data), self.block_bytes):
            block = self.data[start : start + self.block_bytes]
            self.given.append(len(block))
            yield block


def sts_credentials() -> Credentials:
    return Credentials(KEY_ID, SECRET, TOKEN)


def upload_auth() -> UploadAuth:
    return UploadAuth(sts_credentials(), 9e9, 0.0, "cn-shanghai")


def address(endpoint: str) -> UploadAddress:
    return UploadAddress(endpoint, "outin-bucket", "sv/one/two.mp4")


def printed(exc: BaseException) -> str:
    """Everything that a verbose traceback could show of an error: texts, chain, and the variables of its frames."""
    seen: list[str] = []
    error: BaseException | None = exc
    while error is not None:
        seen += ["".join(traceback.format_exception(error)), repr(error), repr(vars(error)), repr(error.args)]
        frame = error.__traceback__
        while frame is not None:
            if "tests" not in frame.tb_frame.f_code.co_filename:
                seen += [repr(value) for value in list(frame.tb_frame.f_locals.values())]
            frame = frame.tb_next
        error = error.__cause__ or error.__context__
    return "\n".join(seen)


def leaked(text: str) -> list[str]:
    return [value for value in LEAKS if value in text]
