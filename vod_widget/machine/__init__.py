"""One file's upload as a sans-IO machine; `file.py` has the theory of operation.

    words.py       the job, control flow, constants
    context.py     state and primitives
    permission.py  steps that get authority
    transfer.py    steps that move and verify bytes
    upload.py      the run from top to bottom
    settling.py    the end of a run, and cleaning up after the person's word
    file.py        what the driver calls

Each layer is a class on top of the one before, so that each file reads alone; nobody else derives from them. Floor 1.
"""

from .file import FileMachine
from .words import Job, Out

__all__ = ["FileMachine", "Job", "Out"]
