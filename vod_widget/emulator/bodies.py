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

# Blocks this large go to the pool for hashing while the loop reads on.
_STEP_BYTES = 1 << 20
# Below this a trip to the pool costs more than the hashing.
_INLINE_BYTES = 128 << 10


class BodyReader:
    """Read one body once, and count it."""

    def __init__(self, content: StreamReader) -> None:
        self._content = content
        self.received_bytes = 0

    async def _next(self) -> bytes:
        block = await self._content.readany()
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
    ) -> None:
        """Stream into a sink: one block is hashed in the pool while the next arrives.

        Args:
            sink: Takes the bytes; used by one thread at a time.
            pool: Where large blocks are hashed and written.
            corrupt: Change the first byte on the way.
            through: What each block goes through first; its exceptions come out here.
        """
        loop = asyncio.get_running_loop()
        blocks: list[bytes] = []
        held_bytes = 0
        pending: asyncio.Future[None] | None = None
        try:
            while block := await self._next():
                if through is not None:
                    block = through(block)
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
