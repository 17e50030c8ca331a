"""Reading request bodies without holding them.

What lives here: `BodyReader`, one for each request. It imports aiohttp's stream type and
`blobs`; it runs on the emulator's event loop and sends hashing to the pool it is given.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import Executor

from aiohttp.streams import StreamReader

from vod_widget.emulator.blobs import Sink
from vod_widget.emulator.connection import BodyBroken, Tap
from vod_widget.emulator.pace import Pace

# Blocks this large go to the pool for hashing while the loop reads on.
_STEP_BYTES = 1 << 20
# Below this a trip to the pool costs more than the hashing.
_INLINE_BYTES = 128 << 10


class BodyReader:
    """Read one body once, and count it."""

    def __init__(self, content: StreamReader) -> None:
        self._content = content
        self.received_bytes = 0

    async def _next(self, most_bytes: int | None = None) -> bytes:
        block = await (self._content.readany() if most_bytes is None else self._content.read(most_bytes))
        self.received_bytes += len(block)
        return block

    async def drain(self) -> None:
        """Read to the end and forget."""
        while await self._next():
            pass

    async def skip(self, wanted_bytes: int) -> None:
        """Read until so many bytes have arrived, or the end."""
        while self.received_bytes < wanted_bytes:
            block = await self._content.read(wanted_bytes - self.received_bytes)
            if not block:
                return
            self.received_bytes += len(block)

    async def read_small(self, limit_bytes: int) -> bytes:
        """Return a small body; what goes beyond the limit is read and cut."""
        kept = bytearray()
        while block := await self._next():
            if len(kept) <= limit_bytes:
                kept += block
        return bytes(kept)

    async def fill(
        self,
        sink: Sink,
        pool: Executor,
        *,
        corrupt: bool,
        through: Callable[[bytes], bytes] | None = None,
        tap: Tap | None = None,
        pace: Pace | None = None,
    ) -> None:
        """Stream into a sink: one block is hashed in the pool while the next arrives.

        Args:
            sink: Takes the bytes; used by one thread at a time.
            pool: Where large blocks are hashed and written.
            corrupt: Change the first byte on the way.
            through: What each block goes through first; its exceptions come out here.
            tap: Where the body comes from instead; the caller closes it.
            pace: How fast it may come; not for a tap.
        """
        if tap is not None:
            await self._fill_from(tap, sink, pool, corrupt=corrupt)
            return
        loop = asyncio.get_running_loop()
        blocks: list[bytes] = []
        held_bytes = 0
        pending: asyncio.Future[None] | None = None
        try:
            while block := await self._next(pace.step_bytes if pace else None):
                came_bytes = len(block)
                if through is not None:
                    block = through(block)
                if pace is not None:
                    await pace.passed(came_bytes)
                if not block:
                    continue
                if corrupt:
                    blocks.append(bytes([block[0] ^ 0xFF]) + block[1:])
                    corrupt = False
                else:
                    blocks.append(block)
                held_bytes += len(block)
                if held_bytes >= _STEP_BYTES:
                    if pending is not None:
                        await pending
                    pending = loop.run_in_executor(pool, sink.write, blocks)
                    blocks, held_bytes = [], 0
        finally:
            if pending is not None:
                await asyncio.wait([pending])
        if pending is not None:
            pending.result()
        if held_bytes > _INLINE_BYTES:
            await loop.run_in_executor(pool, sink.write, blocks)
        else:
            sink.write(blocks)

    async def _fill_from(self, tap: Tap, sink: Sink, pool: Executor, *, corrupt: bool) -> None:
        def put(block: bytes | memoryview) -> None:
            nonlocal corrupt
            if corrupt and block:
                block = bytes([block[0] ^ 0xFF]) + bytes(block[1:])
                corrupt = False
            sink.write([block])

        for block in tap.head:
            self.received_bytes += len(block)
            put(block)
        loop = asyncio.get_running_loop()
        while tap.left_bytes:
            taking = loop.run_in_executor(pool, tap.take, put)
            try:
                await asyncio.wait([taking])
            except asyncio.CancelledError:
                # The thread uses the sink until its turn ends, which is soon.
                await asyncio.wait([taking])
                raise
            taken = taking.result()
            self.received_bytes += taken
            tap.tell(taken)
            if tap.ended:
                raise BodyBroken
            if not taken:
                await tap.readable()
