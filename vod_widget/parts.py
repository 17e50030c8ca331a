"""Cutting a file into parts within the limits of OSS, one part at a time.

Parts are planned when there is room for them, not all at once: 10,000 records are not made for a file that is
cancelled, and a later part may have another size than an earlier one. Floor 1, pure; used under the queue's lock.
"""

from __future__ import annotations

from .errors import InvalidArgumentError
from .model import Part
from .options import KIB, PART_AT_A_LIMIT_S, PART_DEFAULT_BYTES, PART_MAX_BYTES, PART_MIN_BYTES, PARTS_MAX

__all__ = ["choose_part_size", "plan_next"]

OBJECT_MAX_BYTES = PARTS_MAX * PART_MAX_BYTES
"""48.8 TiB. Source: "Upload media files", limits, https://www.alibabacloud.com/help/en/vod, read 2026-11."""


def choose_part_size(
    size_bytes: int, wished_bytes: int | None = None, limit_bytes_per_s: float | None = None, senders: int = 1
) -> int:
    """Choose the part size of a file.

    Args:
        size_bytes: Whole file, bytes, 1 to 48.8 TiB.
        wished_bytes: Exact size that the caller wants, or None; it is raised only when 10,000 parts would not do.
        limit_bytes_per_s: Bandwidth limit over all files, or None; then a part never takes minutes, and what a kill
            loses stays small.
        senders: Requests in flight that share the limit, >= 1.

    Returns:
        Bytes, a multiple of 1 KiB when chosen or raised by us (the vendor's SDK computed size/9999, not an integer).

    Raises:
        InvalidArgumentError: The file is larger than the service takes.
    """
    if size_bytes > OBJECT_MAX_BYTES:
        raise InvalidArgumentError(
            f"{size_bytes} bytes are more than one object holds (48.8 TiB)",
            code="Restriction.Size",
            hint="Split the file.",
        )
    chosen = PART_DEFAULT_BYTES
    if limit_bytes_per_s is not None:
        share = int(limit_bytes_per_s * PART_AT_A_LIMIT_S / senders) // KIB * KIB
        chosen = min(chosen, max(256 * KIB, share))
    part = max(PART_MIN_BYTES, wished_bytes or chosen)
    if part * PARTS_MAX < size_bytes:
        least = -(-size_bytes // PARTS_MAX)
        part = -(-least // KIB) * KIB
    return min(part, PART_MAX_BYTES)


def plan_next(size_bytes: int, part_size_bytes: int, parts_before: int, offset: int) -> Part | None:
    """Plan the part that begins at `offset`.

    Args:
        size_bytes: Whole file.
        part_size_bytes: As `choose_part_size` gave it.
        parts_before: Number of parts that end at or before `offset`.
        offset: First byte that no part covers yet.

    Returns:
        The next part, or None when the file is covered.
    """
    if offset >= size_bytes:
        return None
    return Part(parts_before + 1, offset, min(offset + part_size_bytes, size_bytes))
