"""Volume, and the replay of one history; see the package's docstring."""

from __future__ import annotations

import argparse
import sys
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import count

from tests.helpers.invariants import Violation, no_real_sleep

from .cloud import KINDS, tiny_parts
from .plans import PLANS
from .world import World

_KEPT_LINES = 120


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


def histories(plans: Sequence[str], start: int) -> Iterator[tuple[str, int]]:
    """(plan, seed), the plans by turns."""
    for seed in count(start):
        for plan in plans:
            yield plan, seed


def volume(faults: int, plans: Sequence[str] = tuple(PLANS), start: int = 0, *, stop_at: int = 20) -> Volume:
    """Play histories until so many faults were injected.

    Args:
        faults: How many.
        plans: Names of plans.
        start: First seed.
        stop_at: Broken histories after which there is no point in going on.
    """
    found = Volume()
    for plan, seed in histories(plans, start):
        world, broken = play(plan, seed)
        found.histories += 1
        found.steps += world.steps
        found.counts.update(world.counts)
        if broken:
            found.broken.append((plan, seed, broken))
        if found.faults >= faults or len(found.broken) >= stop_at:
            return found
    raise AssertionError("seeds do not end")


def command(plan: str, seed: int) -> str:
    """The one command that plays a history again."""
    return f"python -m tests.simulation --plan {plan} --seed {seed}"


def main(argv: Sequence[str] | None = None) -> int:
    """Run; the exit status is 1 when a promise was broken."""
    parser = argparse.ArgumentParser(prog="python -m tests.simulation", description=__doc__)
    parser.add_argument("--faults", type=int, default=20_000, metavar="N", help="faults to inject")
    parser.add_argument("--start", type=int, default=0, metavar="SEED", help="first seed")
    parser.add_argument("--plan", choices=sorted(PLANS), default=None, help="only this plan")
    parser.add_argument("--seed", type=int, default=None, metavar="SEED", help="play this one history, line by line")
    args = parser.parse_args(argv)
    if args.seed is not None:
        return _replay(args.plan or "usual", args.seed)
    began_s = time.monotonic()
    found = volume(args.faults, [args.plan] if args.plan else tuple(PLANS), args.start)
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
