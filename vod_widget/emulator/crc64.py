"""CRC-64/XZ, the checksum that OSS calls `x-oss-hash-crc64ecma`.

What lives here: updating a checksum with a block, and joining two checksums without the
bytes. It imports `fastcrc` when it is installed and falls back to a table; nothing else of
the package. Pure functions, any thread.

Source: OSS AppendObject page, "CRC-64/XZ: polynomial 0x42F0E1EBA9EA3693 reflected, initial
value and final XOR all ones"; check value of "123456789" is 11051210869376104954.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache

_POLY_REFLECTED = 0xC96C5795D7870F42
_MASK = (1 << 64) - 1


def _make_table() -> tuple[int, ...]:
    table = []
    for byte in range(256):
        value = byte
        for _ in range(8):
            value = (value >> 1) ^ (_POLY_REFLECTED if value & 1 else 0)
        table.append(value)
    return tuple(table)


def update_by_table(block: bytes | memoryview, crc: int = 0) -> int:
    """Extend a checksum, slowly; the reference that the fast one is tested against."""
    table = _table()
    value = crc ^ _MASK
    for byte in block:
        value = table[(value ^ byte) & 0xFF] ^ (value >> 8)
    return value ^ _MASK


@lru_cache(maxsize=1)
def _table() -> tuple[int, ...]:
    return _make_table()


def _pick() -> Callable[[bytes | memoryview, int], int]:
    try:
        from fastcrc import crc64 as fast
    except ImportError:
        return update_by_table
    return lambda block, crc: int(fast.xz(block, crc))


_update = _pick()


def update(block: bytes | memoryview, crc: int = 0) -> int:
    """Extend the checksum of what came before by a block.

    Args:
        block: The next bytes.
        crc: Checksum of everything before; 0 is the checksum of nothing.
    """
    return _update(block, crc)


def _times(matrix: tuple[int, ...], vector: int) -> int:
    total = 0
    index = 0
    while vector:
        if vector & 1:
            total ^= matrix[index]
        vector >>= 1
        index += 1
    return total


@lru_cache(maxsize=64)
def _zeros(power: int) -> tuple[int, ...]:
    """Matrix over GF(2) that feeds 2**power zero bytes into the register."""
    if power == 0:
        matrix = (_POLY_REFLECTED, *(1 << bit for bit in range(63)))  # one zero bit
        for _ in range(3):  # squared three times: 8 bits
            matrix = tuple(_times(matrix, column) for column in matrix)
        return matrix
    half = _zeros(power - 1)
    return tuple(_times(half, column) for column in half)


def combine(crc_left: int, crc_right: int, right_bytes: int) -> int:
    """Return the checksum of left + right from theirs, in about log2(right_bytes) steps.

    Args:
        crc_left: Checksum of the left bytes.
        crc_right: Checksum of the right bytes.
        right_bytes: How many bytes the right side has, >= 0.
    """
    power = 0
    while right_bytes:
        if right_bytes & 1:
            crc_left = _times(_zeros(power), crc_left)
        right_bytes >>= 1
        power += 1
    return crc_left ^ crc_right
