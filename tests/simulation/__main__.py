"""Volume, and the replay of one history; see the package's docstring."""

from __future__ import annotations

import argparse
import multiprocessing
import os
import queue
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import count
from typing import Any

from tests.helpers.invariants import Violation, no_real_sleep

from .cloud import KINDS, tiny_parts
from .plans import PLANS
from .world import World

_NEWS_S = 1.0
"""How often a process says how far it is."""
_WORD_S = 30.0
"""How often the person hears of it."""


@dataclass
class Volume:
    """What many histories brought.

    Attributes:
        histories: How many there were.
        steps: Moves.
        counts: How often each (operation, kind) struck.
        orders: Orders by people, which are no faults.
        broken: (plan, seed, what was broken).
    """

    histories: int = 0
    steps: int = 0
    counts: Counter[tuple[str, str]] = field(default_factory=Counter)
    broken: list[tuple[str, int, str]] = field(default_factory=list)

    @property
    def faults(self) -> int:
        """Faults that were injected; orders by people are not counted."""
        return sum(number for (op, _), number in self.counts.items() if op != "order")

    @property
    def orders(self) -> int:
        """Orders by people."""
        return sum(number for (op, _), number in self.counts.items() if op == "order")

    def add(self, other: Volume) -> None:
        """Take what another process brought."""
        self.histories += other.histories
        self.steps += other.steps
        self.counts.update(other.counts)
        self.broken += other.broken


def pairs() -> set[tuple[str, str]]:
    """Every operation of the cloud with everything that can go wrong with it."""
    return {(op, kind) for op, kinds in KINDS.items() for kind in kinds}


def play(plan: str, seed: int, keep: int = 0) -> tuple[World, str]:
    """Play one history; returns it and what was broken, or ""."""
    world = World(seed, PLANS[plan], keep)
    try:
        with tiny_parts(), no_real_sleep():
            world.run()
    except Violation as violation:
        return world, str(violation)
    return world, ""


def histories(plans: Sequence[str], start: int, stride: int = 1) -> Iterator[tuple[str, int]]:
    """(plan, seed), the plans by turns."""
    for seed in count(start, stride):
        for plan in plans:
            yield plan, seed


def volume(
    faults: int,
    plans: Sequence[str] = tuple(PLANS),
    start: int = 0,
    *,
    stride: int = 1,
    stop_at: int = 20,
    begins: Callable[[Volume, str, int], None] = lambda *_: None,
) -> Volume:
    """Play histories until so many faults were injected.

    Args:
        faults: How many.
        plans: Names of plans.
        start: First seed.
        stride: From one seed to the next.
        stop_at: Broken histories after which there is no point in going on.
        begins: Told before each history what there was so far, and which one comes.
    """
    found = Volume()
    for plan, seed in histories(plans, start, stride):
        if found.faults >= faults or len(found.broken) >= stop_at:
            return found
        begins(found, plan, seed)
        world, broken = play(plan, seed)
        found.histories += 1
        found.steps += world.steps
        found.counts.update(world.counts)
        if broken:
            found.broken.append((plan, seed, broken))
    raise AssertionError("seeds do not end")


class Progress:
    """What a person who waits for an hour hears, on the error output: a word now and then, a broken promise at once."""

    def __init__(self, jobs: int) -> None:
        self._began_s = self._said_s = time.monotonic()
        self._now: list[tuple[int, int, str, float]] = [(0, 0, "", self._began_s)] * jobs
        self._told: set[tuple[str, int]] = set()

    def news(self, job: int, histories: int, faults: int, playing: str, broken: list[tuple[str, int, str]]) -> None:
        """Take how far a process is."""
        self._now[job] = (histories, faults, playing, time.monotonic())
        for plan, seed, what in broken:
            if (plan, seed) not in self._told:
                self._told.add((plan, seed))
                self._say(f"BROKEN {what}\n    {command(plan, seed)}")
        self.word()

    def word(self) -> None:
        """Say where we are when it is time for it, and what takes long."""
        now_s = time.monotonic()
        if now_s - self._said_s < _WORD_S:
            return
        self._said_s = now_s
        histories, faults = sum(job[0] for job in self._now), sum(job[1] for job in self._now)
        text = f"{now_s - self._began_s:.0f} s: {faults} faults in {histories} histories, {len(self._told)} violations"
        for _, _, playing, heard_s in self._now:
            if now_s - heard_s > _WORD_S:
                text += f"; for {now_s - heard_s:.0f} s already: {playing}"
        self._say(text)

    def _say(self, text: str) -> None:
        sys.stderr.write(text + "\n")
        sys.stderr.flush()


def side_by_side(faults: int, plans: Sequence[str], start: int, jobs: int) -> Volume:
    """The same volume by several processes, each with every n-th seed; its sum.

    Raises:
        RuntimeError: A process died.
    """
    progress = Progress(jobs)
    if jobs == 1:
        return volume(faults, plans, start, begins=_news(lambda *news: progress.news(0, *news)))
    found = Volume()
    context = multiprocessing.get_context("fork")
    heard: Any = context.Queue()
    shares = [faults * (job + 1) // jobs - faults * job // jobs for job in range(jobs)]
    workers = [
        context.Process(target=_work, args=(heard, job, share, plans, start + job, jobs), daemon=True)
        for job, share in enumerate(shares)
    ]
    for worker in workers:
        worker.start()
    left = set(range(jobs))
    while left:
        try:
            job, what = heard.get(timeout=_NEWS_S)
        except queue.Empty:
            progress.word()
            dead = [job for job in left if workers[job].exitcode not in (None, 0)]
            if dead:
                raise RuntimeError(f"process {dead[0]} of {jobs} died") from None
            continue
        if isinstance(what, Volume):
            found.add(what)
            left.discard(job)
            progress.news(job, what.histories, what.faults, "", what.broken)
        else:
            progress.news(job, *what)
    for worker in workers:
        worker.join()
    return found


def _work(heard: Any, job: int, faults: int, plans: Sequence[str], start: int, stride: int) -> None:
    tell = _news(lambda *news: heard.put((job, news)))
    heard.put((job, volume(faults, plans, start, stride=stride, begins=tell)))


def _news(tell: Callable[..., None]) -> Callable[[Volume, str, int], None]:
    """News at most every second, but of a broken promise at once."""
    last_s, last_broken = 0.0, 0

    def begins(found: Volume, plan: str, seed: int) -> None:
        nonlocal last_s, last_broken
        now_s = time.monotonic()
        if now_s - last_s >= _NEWS_S or len(found.broken) > last_broken:
            last_s, last_broken = now_s, len(found.broken)
            tell(found.histories, found.faults, command(plan, seed), list(found.broken))

    return begins


def command(plan: str, seed: int) -> str:
    """The one command that plays a history again."""
    return f"python -m tests.simulation --plan {plan} --seed {seed}"


def main(argv: Sequence[str] | None = None) -> int:
    """Run; the exit status is 1 when a promise was broken."""
    parser = argparse.ArgumentParser(prog="python -m tests.simulation", description=__doc__)
    parser.add_argument("--faults", type=int, default=20_000, metavar="N", help="faults to inject")
    parser.add_argument(
        "--jobs",
        type=int,
        default=1,
        metavar="N",
        help=f"processes, each with seeds of its own (here: {os.cpu_count()})",
    )
    parser.add_argument("--start", type=int, default=0, metavar="SEED", help="first seed")
    parser.add_argument("--plan", choices=sorted(PLANS), default=None, help="only this plan")
    parser.add_argument("--seed", type=int, default=None, metavar="SEED", help="play this one history, line by line")
    args = parser.parse_args(argv)
    if args.seed is not None:
        return _replay(args.plan or "usual", args.seed)
    began_s = time.monotonic()
    found = side_by_side(args.faults, [args.plan] if args.plan else tuple(PLANS), args.start, max(1, args.jobs))
    took_s = time.monotonic() - began_s
    for plan, seed, broken in found.broken:
        sys.stdout.write(f"BROKEN {broken}\n    {command(plan, seed)}\n")
    covered = pairs() & set(found.counts)
    sys.stdout.write(
        f"{found.faults} faults and {found.orders} orders in {found.histories} histories of {found.steps} steps, "
        f"{len(covered)} of {len(pairs())} pairs of operation and fault, "
        f"{len(found.broken)} violations, {took_s:.0f} s\n"
    )
    return 1 if found.broken else 0


def _replay(plan: str, seed: int) -> int:
    world, broken = play(plan, seed, keep=1_000_000)
    for line in world.history.tail:
        sys.stdout.write(f"{line}\n")
    sys.stdout.write(f"history {world.history.digest}, {world.history.lines} lines\n")
    sys.stdout.write(f"BROKEN {broken}\n" if broken else "every promise was kept\n")
    return 1 if broken else 0


if __name__ == "__main__":
    sys.exit(main())
