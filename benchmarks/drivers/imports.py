"""What `import vod_widget` takes above a bare interpreter: both started here, in turns."""

import statistics
import subprocess
import sys
import time

from _common import measure


def started(code):
    began = time.perf_counter()
    subprocess.run([sys.executable, "-c", code], check=True)
    return time.perf_counter() - began


def work():
    bare, ours = [], []
    for _ in range(7):
        bare.append(started("pass"))
        ours.append(started("import vod_widget"))
    return {"import_ms": 1000 * (statistics.median(ours) - statistics.median(bare))}


measure(work)
