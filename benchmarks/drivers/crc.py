"""What our sum costs alone: CRC64 of as many bytes as the file has, and joining the sums of parts."""

import os
import time

from _common import SPEC, measure

from vod_widget.crc64 import combine, crc64

size = os.path.getsize(SPEC["file"])
block = memoryview(os.urandom(2**20))
lengths = [4 * 2**20 + n * 65536 for n in range(200)]
combine(1, 2, lengths[-1])


def work():
    total = 0
    for _ in range(size // len(block)):
        total = crc64(block, total)
    began = time.thread_time()
    for length in lengths:
        total = combine(total, 12345, length)
    return {"combine_ms": 1000 * (time.thread_time() - began) / len(lengths)}


measure(work)
