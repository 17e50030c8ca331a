"""MD5 of a range of a source, where `content_md5` asks for it: for the header and to compare with an ETag.

Floor 3, beside the engine: reads by a function it is given. Runs where the part is sent; a range is then read twice.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Callable
from typing import Any

from .errors import IntegrityError

__all__ = ["Digest"]


class Digest:
    """The MD5 of one body, summed before it is sent.

    Args:
        start: First byte of the range.
        end: Byte after the last.
        step_bytes: Most bytes read at once.
        read: Reads a range of the source; raises what breaks the request off.
    """

    def __init__(self, start: int, end: int, step_bytes: int, read: Callable[[int, int], Any]) -> None:
        total = hashlib.md5(usedforsecurity=False)
        for position in range(start, end, step_bytes):
            total.update(read(position, min(position + step_bytes, end)))
        self._digest = total.digest()

    def headers(self) -> dict[str, str]:
        """What makes the storage refuse a damaged body (InvalidDigest) and not keep it."""
        return {"Content-MD5": base64.b64encode(self._digest).decode()}

    def prove(self, etag: str) -> None:
        """Compare with an ETag, for an answer that has no CRC64.

        Raises:
            IntegrityError: The storage holds other bytes.

        Source: the ETag of PutObject and UploadPart is the MD5 of the body;
            https://www.alibabacloud.com/help/en/oss/developer-reference/uploadpart, read 2026-11.
        """
        if etag.lower() != self._digest.hex():
            raise IntegrityError("the ETag that came back is not the MD5 of what was sent")
