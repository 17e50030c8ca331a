"""Real sockets for as long as you like: an emulator in one process, a client in another that is killed again and again.

    python -m tests.soak --minutes 10                ten minutes, eight requests at a time
    python -m tests.soak --minutes 10 --data-dir     the emulator keeps its state on disk

    __main__.py  the parent: emulator, faults, edits, time that passes, `kill -9`, and the judgement at the end
    client.py    the victim: `vw.resume()`, add what is missing, send, and obey random orders
    report.py    what the victim said, and what the cloud holds, as stories for the checker of the invariants

Chance is seeded, threads and sockets are not: a seed gives the same mixture, not the same history.
"""
