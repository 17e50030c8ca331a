"""How the tests are spread over two processes (`scripts/test` runs pytest with `-n 2`; a plain `pytest` stays in one).

A file stays whole, because its fixtures are shared, and the browser tests stay together: they share one JupyterLab, and a
browser with its server and kernel keeps more than one core busy, so two of them at a time would only wait for each other. What
takes longest begins first, or one process would finish a long file alone while the other has nothing left.
"""

from __future__ import annotations

import pytest
from xdist.scheduler import LoadScopeScheduling

BROWSER = "tests/e2e/"
# By how long they take, the longest first; the rest follows as it was collected.
LONG = (
    BROWSER,
    "tests/emulator/test_mutants.py",
    "tests/simulation/",
    "tests/soak/",
    "tests/test_packaging.py",
    "tests/cli/",
    "tests/widget/",
    "tests/fault/",
    "tests/protocol/",
    "tests/batch/",
    "tests/emulator/",
)


def rank(nodeid: str) -> int:
    """The place of a test among `LONG`."""
    return next((place for place, start in enumerate(LONG) if nodeid.startswith(start)), len(LONG))


class ByFile(LoadScopeScheduling):
    """Hands out whole files in the order of the collection, and all browser tests to one process."""

    def __init__(self, config: pytest.Config, log: object) -> None:
        super().__init__(config, log)
        config.option.loadscopereorder = False

    def _split_scope(self, nodeid: str) -> str:
        return BROWSER if nodeid.startswith(BROWSER) else nodeid.partition("::")[0]
