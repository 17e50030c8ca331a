"""What `import vod_widget`, and the class in it, take above a bare interpreter: all started here, in turns."""

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
    took = {code: [] for code in ("pass", "import vod_widget", "from vod_widget import VODUpload")}
    for _ in range(7):
        for code, times in took.items():
            times.append(started(code))
    bare, package, queue = (1000 * statistics.median(times) for times in took.values())
    return {"import_ms": package - bare, "class_ms": queue - bare}


measure(work)
