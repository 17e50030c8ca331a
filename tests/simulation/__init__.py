"""Whole queues of files under a seed: real machines, real engine, real journal, the emulator's cloud; no thread, no socket.

    python -m tests.simulation --faults 1000000       a million faults, over every plan
    python -m tests.simulation --plan usual --seed 7  one history again, line by line

    disk.py    a disk in memory that tears writes, fills up, fails, and loses what was not synced when the power goes
    cloud.py   the client's two edges on the emulator's cloud without HTTP, and everything that can go wrong on the way
    world.py   one process after another, driven by chance: effects, outcomes, timers, people, kills
    plans.py   which mixtures of bad luck there are
    __main__   volume, and the replay of one seed

Each seed is a whole history. A broken promise (`tests.helpers.invariants`) prints the one command that plays it again.
"""
