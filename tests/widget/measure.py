"""Measure the widget's promises: how soon a click is answered in each kernel, and what publishing 10,000 files costs.

    python -m tests.widget.measure

Prints one table; the numbers depend on the machine, their order of magnitude does not. A click goes through the real
kernel's shell channel to the handler and back; publishing runs the real publisher against a screen that counts.
"""

from __future__ import annotations

import json
import random
import statistics
import time

from tests.widget.fakes import Rig
from tests.widget.kernels import VERSIONS, Kernel
from vod_widget.model import Phase, UploaderState, UploadState

CLICKS = 40
BUSY = (
    "import time\nprint('begun', flush=True)\nuntil = time.monotonic() + 8\nwidget.add(b'x' * 10, name='a.mp4')\n"
    "while time.monotonic() < until: sum(range(1000))"
)


def clicks(version: str) -> None:
    """Print the latency of a click in one kernel: idle, and while a cell computes."""
    kernel = Kernel(version)
    try:
        comm_id = kernel.widget()
        subshell = kernel.subshell()
        kernel.ask(comm_id, 1, "hello", subshell, version=2, locale="en")
        idle = [kernel.ask(comm_id, 100 + n, "ping", subshell) * 1000 for n in range(CLICKS)]
        busy: list[float] = []
        if subshell is not None:
            cell = kernel.run(BUSY)
            kernel.pump(lambda: kernel.said(cell), "the cell runs")
            while not kernel.idle(cell) and len(busy) < CLICKS:
                busy.append(kernel.ask(comm_id, 300 + len(busy), "ping", subshell) * 1000)
        said = [f"{name} p50 {statistics.median(ms):.0f} ms, p95 {quantile(ms):.0f} ms" for name, ms in
                (("idle", idle), ("busy cell", busy)) if ms]  # fmt: skip
        print(
            f"click, ipykernel {version}: {'; '.join(said)}{'' if busy else '; busy cell: after the cell (interrupt)'}"
        )
    finally:
        kernel.close()


def quantile(values: list[float]) -> float:
    """The 95th of a hundred."""
    return sorted(values)[int(0.95 * (len(values) - 1))]


def publishing(files: int = 10_000, seconds: int = 10, changes_per_s: int = 1000) -> None:
    """Print messages, bytes and CPU of the publisher while many files change."""
    rig = Rig()
    ids = rig.uploader.add_many(files, quiet=True)
    rig.uploader.turn(UploaderState.START)
    rig.hello()
    rig.data("view", first=0, count=30, filter="all", search="", sort="queue", descending=False)
    rig.run(0.5)
    rig.screen.messages.clear()
    chance = random.Random(7)
    cost = 0.0
    for _ in range(seconds * 50):
        for _ in range(changes_per_s // 50):
            file_id = chance.choice(ids)
            info = rig.uploader.infos[file_id]
            if info.state == UploadState.READY:
                rig.uploader.put(file_id, state=UploadState.UPLOADING, phase=Phase.SENDING)
            else:
                rig.uploader.put(file_id, sent_bytes=min(info.size_bytes, info.sent_bytes + 10_000))
        before = time.process_time()
        rig.run(0.02)
        cost += time.process_time() - before
    said = rig.screen.messages
    size = sum(len(json.dumps(m)) for m in said)
    print(
        f"publishing, {files:,} files, {changes_per_s} changes/s: {len(said) / seconds:.1f} messages/s, "
        f"{size / seconds / 1000:.0f} kB/s, {100 * cost / seconds:.1f} % of a core"
    )


if __name__ == "__main__":
    publishing()
    publishing(changes_per_s=10)
    for one in VERSIONS:
        clicks(one)
