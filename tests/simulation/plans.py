"""Which mixtures of bad luck there are. Each ratio is the chance of something at each step, or of each call."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from .cloud import PART

__all__ = ["PLANS", "Plan"]

Authority = Literal["own", "sts", "app", "get_auth", "any"]


@dataclass(frozen=True)
class Plan:
    """What a history has.

    Attributes:
        files: Most files at a time.
        sizes: Lengths to choose from.
        images: Share of files that are images.
        authority: Who gives permission; "any" draws one for each history.
        fault_ratio: Share of calls of the cloud that go wrong.
        disk_ratio: Share of operations of the disk that fail.
        order_ratio: Chance of an order by a person at each step.
        kill_ratio: Chance of `kill -9` at each step, beside the kills inside calls.
        power_ratio: Share of kills that take what was not synced along.
        disk_kill_ratio: Chance that the process dies inside an operation of the disk.
        edit_ratio: Chance of an edit of a source at each step, and while a body is read.
        time_ratio: Chance that much time passes at each step.
        jump_ratio: Chance that the client's wall clock jumps.
        vanish_ratio: Chance that the storage drops an upload.
        parallel: Requests with bytes in flight.
        steps: Steps of trouble, before all is well again.
        patience_s: As of the queue.
        no_crc: The storage never tells a CRC64.
        may_head: Upload credentials may HEAD.
        may_list: Upload credentials may list parts.
        repeats: What a repeated ReferenceId brings.
        cheap_reads: Sources may be read twice.
        cover: Files have a cover.
        skip_uploaded: As of the queue.
        part_size: Exact part size, or None.
    """

    files: int = 3
    sizes: tuple[int, ...] = (1, PART - 1, PART, PART + 1, 3 * PART + 1, 6 * PART, 9 * PART + 5)
    images: float = 0.15
    authority: Authority = "any"
    fault_ratio: float = 0.25
    disk_ratio: float = 0.008
    order_ratio: float = 0.03
    kill_ratio: float = 0.004
    power_ratio: float = 0.3
    disk_kill_ratio: float = 0.0005
    edit_ratio: float = 0.002
    time_ratio: float = 0.01
    jump_ratio: float = 0.001
    vanish_ratio: float = 0.001
    parallel: int = 3
    steps: int = 500
    patience_s: float | None = None
    no_crc: bool = False
    may_head: bool = True
    may_list: bool = True
    repeats: Literal["refuse", "same", "new"] = "refuse"
    cheap_reads: bool = True
    cover: bool = False
    skip_uploaded: bool = True


PLANS: dict[str, Plan] = {
    "usual": Plan(),
    "own_keys": Plan(authority="own", order_ratio=0.0),
    "sts": Plan(authority="sts", time_ratio=0.03),
    "application": Plan(authority="app", time_ratio=0.03),
    "get_auth": Plan(authority="get_auth", time_ratio=0.03),
    "faults_half_the_time": Plan(fault_ratio=0.5, order_ratio=0.01),
    "orders_all_the_time": Plan(order_ratio=0.25),
    "killed_often": Plan(kill_ratio=0.04, disk_kill_ratio=0.01),
    "power_fails_often": Plan(kill_ratio=0.03, disk_kill_ratio=0.01, power_ratio=1.0, disk_ratio=0.01),
    "bad_disk": Plan(disk_ratio=0.15, kill_ratio=0.01),
    "edited": Plan(edit_ratio=0.02, kill_ratio=0.01),
    "patient": Plan(patience_s=900.0, fault_ratio=0.4),
    "may_not_head": Plan(may_head=False, edit_ratio=0.01),
    "may_not_list": Plan(may_list=False, vanish_ratio=0.01),
    "no_crc": Plan(no_crc=True, edit_ratio=0.01, may_head=True),
    "reference_again_makes_another": Plan(authority="own", repeats="new", kill_ratio=0.02, fault_ratio=0.3),
    "reference_again_is_the_same": Plan(authority="own", repeats="same", kill_ratio=0.02, fault_ratio=0.3),
    "dear_reads": Plan(cheap_reads=False),
    "images": Plan(images=1.0),
    "clock_jumps": Plan(jump_ratio=0.02),
    "covers": Plan(cover=True, images=0.0),
    "one_after_another": Plan(files=2, parallel=1, sizes=(3 * PART + 1, 6 * PART)),
    "many_files": Plan(files=8, sizes=(1, PART, 2 * PART + 1), steps=900),
    "everything": Plan(
        fault_ratio=0.3, disk_ratio=0.02, order_ratio=0.1, kill_ratio=0.02, edit_ratio=0.01, time_ratio=0.03, jump_ratio=0.005
    ),
}  # fmt: skip
