"""From the start of the process to the first byte at the server: one small file, everything still to be imported.

The clock is that of the system, so the runner compares `process_began_at` with what the sink saw.
"""

import os
import tempfile
import time

from _common import SPEC, trust

began = time.clock_gettime(time.CLOCK_MONOTONIC)
# The kernel says when the process began, in ticks since boot; that is before Python itself had started.
with open("/proc/self/stat") as stat:
    ticks = int(stat.read().rpartition(")")[2].split()[19])
boottime = ticks / os.sysconf("SC_CLK_TCK")
process_began_at = began - (time.clock_gettime(time.CLOCK_BOOTTIME) - boottime)

import json

os.environ["VOD_WIDGET_HOME"] = tempfile.mkdtemp(dir=SPEC["folder"])
trust(SPEC.get("ca_file"))
import vod_widget as vw

up = vw.VODUpload(credentials=vw.Credentials("benchkeyid", "benchkeysecret"), endpoint=SPEC["base"])
up.add_file(SPEC["files"][0])
(result,) = up.run()
assert result.state == "Success", result.error_message
print(json.dumps({"process_began_at": process_began_at}), flush=True)
os._exit(0)
