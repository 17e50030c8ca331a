"""Many files that change, inside a kernel: an uploader without transfers whose numbers cost nothing to ask for."""

from __future__ import annotations

import random
import threading
import time
from collections import Counter
from dataclasses import replace
from typing import Any

import ipywidgets

from tests.widget.fakes import FakeUploader
from vod_widget.model import Phase, UploaderState, UploadState
from vod_widget.system import SystemClock
from vod_widget.upload_info import Totals

# A window of the list; half of all changes fall into it.
_VISIBLE = 30


class Crowd(FakeUploader):
    """Files of 1 MB that move when told to.

    Args:
        count: How many.
    """

    def __init__(self, count: int) -> None:
        super().__init__(SystemClock())  # type: ignore[arg-type]
        self.ids = self.add_many(count, quiet=True)
        self._base = super().totals()
        self._moved: Counter[UploadState] = Counter()
        self.state = UploaderState.START

    def put(self, file_id: str, **fields: Any) -> None:
        if "state" in fields:
            self._moved[self.infos[file_id].state] -= 1
            self._moved[fields["state"]] += 1
        super().put(file_id, **fields)

    def totals(self) -> Totals:
        """As the real queue: a constant cost, however many files there are."""
        counts = {state: count + self._moved[state] for state, count in self._base.counts.items()}
        done = counts[UploadState.SUCCESS]
        return replace(
            self._base,
            state=self.state,
            counts=counts,
            done=done,
            done_bytes=done * 1_000_000,
            sent_bytes=done * 1_000_000,
            accepted_bytes=done * 1_000_000,
            progress=done / len(self.ids),
            speed_bytes_per_s=1e6,
        )

    def grow(self, count: int) -> None:
        """Have so many files more."""
        self.ids += self.add_many(count, quiet=True)
        self._base = FakeUploader.totals(self)
        self._moved.clear()
        self.turn(UploaderState.START)

    def move(self, seconds: float, *, per_tick: int = 20, ticks_per_s: int = 10) -> float:
        """Change files for a while, in this thread; returns the CPU seconds of the whole process meanwhile."""
        chance = random.Random(1)
        began_s, cpu_s = time.monotonic(), time.process_time()
        for tick in range(int(seconds * ticks_per_s)):
            for n in range(per_tick):
                file_id = self.ids[chance.randrange(_VISIBLE if n % 2 else len(self.ids))]
                if self.infos[file_id].state is UploadState.READY:
                    self.put(file_id, state=UploadState.UPLOADING, phase=Phase.SENDING)
                else:
                    self.put(file_id, sent_bytes=chance.randrange(1_000_000), speed_bytes_per_s=chance.random() * 1e6)
            time.sleep(max(0.0, began_s + (tick + 1) / ticks_per_s - time.monotonic()))
        return time.process_time() - cpu_s

    def finish(self, seconds: float) -> None:
        """Bring every file to Success, spread over a while."""
        began_s = time.monotonic()
        for n, file_id in enumerate(self.ids):
            self.put(file_id, state=UploadState.SUCCESS, phase=Phase.NONE, video_id=f"{n:032x}", sent_bytes=1_000_000)
            if n % 100 == 0:
                time.sleep(max(0.0, began_s + seconds * n / len(self.ids) - time.monotonic()))
        self.turn(UploaderState.END)


def beside(job: Any, *args: Any, **keys: Any) -> threading.Thread:
    """Run a job in a thread."""
    thread = threading.Thread(target=job, args=args, kwargs=keys, name="bench", daemon=True)
    thread.start()
    return thread


def shout(seconds: float, per_s: int) -> None:
    """Say so much on another widget's comm that the server begins to drop messages of this kernel."""
    other = ipywidgets.IntProgress(max=10**9)
    until_s = time.monotonic() + seconds
    while time.monotonic() < until_s:
        # In bursts: a busy machine must not slow the flood down to what the server lets pass.
        for _ in range(per_s // 10):
            other.value += 1
        time.sleep(0.1)
