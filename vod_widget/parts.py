"""Cutting a file into parts within the limits of OSS, one part at a time.

Parts are planned when there is room for them, not all at once: 10,000 records are not made for a file that is
cancelled, and a later part may have another size than an earlier one. Floor 1, pure; used under the queue's lock.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from .errors import InvalidArgumentError
from .model import Part
from .options import (
    KIB,
    PART_AT_A_LIMIT_S,
    PART_DEFAULT_BYTES,
    PART_MAX_BYTES,
    PART_MIN_BYTES,
    PARTS_MAX,
)

__all__ = ["choose_part_size", "fill_gaps", "fitting", "plan_next"]

OBJECT_MAX_BYTES = PARTS_MAX * PART_MAX_BYTES
"""48.8 TiB. Source: "Upload media files", limits, https://www.alibabacloud.com/help/en/vod, read 2026-11."""


_NUMBERS_FOR_THE_END = 512
"""Kept back for the last parts, which are wished smaller: over twice as many numbers they shrink. What stands before
becomes a twentieth larger, in files that need every number."""


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


def plan_next(
    size_bytes: int, part_size_bytes: int, parts_before: int, offset: int, *, may_shrink: bool = False
) -> Part | None:
    """Plan the part that begins at `offset`.

    Args:
        size_bytes: Whole file.
        part_size_bytes: Wished size; it is raised when the numbers that are left would not cover the file.
        parts_before: Number of parts that end at or before `offset`.
        offset: First byte that no part covers yet.
        may_shrink: Whether the last parts will be wished smaller than those before them: then numbers are kept for
            them, so that a file that needs all of them does not end with the slowest connection's large part.

    Returns:
        The next part, or None when the file is covered.
    """
    if offset >= size_bytes:
        return None
    left_bytes = size_bytes - offset
    numbers_left = max(1, PARTS_MAX - parts_before)
    least = -(-left_bytes // numbers_left)
    if may_shrink:
        # Twice as many numbers as bytes ask for, in the end: so each part is a little smaller than the one before it.
        numbers = max(1, numbers_left - _NUMBERS_FOR_THE_END, numbers_left // 2)
        least = max(least, min(-(-left_bytes // numbers), PART_MAX_BYTES))
    if least > part_size_bytes:
        part_size_bytes = -(-least // KIB) * KIB
    return Part(parts_before + 1, offset, min(offset + part_size_bytes, size_bytes))


def fitting(parts: Iterable[Part]) -> tuple[Part, ...]:
    """Drop parts that cannot belong to one and the same cut of a file.

    Args:
        parts: In order of their numbers.

    Returns:
        Parts of which each begins where the one before ends, or leaves a byte at least to every number between.
    """
    kept: list[Part] = []
    number = end = 0
    for part in parts:
        missing, gap_bytes = part.part_number - number - 1, part.start - end
        if gap_bytes == 0 if missing == 0 else gap_bytes >= missing > 0:
            kept.append(part)
            number, end = part.part_number, part.end
    return tuple(kept)


def fill_gaps(parts: Iterable[Part]) -> Iterator[Part]:
    """Cut what lies between stored parts into as many parts as there are numbers between them.

    Args:
        parts: As `fitting` leaves them.
    """
    number = end = 0
    for part in parts:
        missing, gap_bytes = part.part_number - number - 1, part.start - end
        for n in range(missing):
            yield Part(number + 1 + n, end + gap_bytes * n // missing, end + gap_bytes * (n + 1) // missing)
        number, end = part.part_number, part.end
