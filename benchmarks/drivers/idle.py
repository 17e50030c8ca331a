"""What a finished uploader with a live widget costs while nothing happens."""

import os
import tempfile
import time

from _common import SPEC, cpu_s, measure

os.environ["VOD_WIDGET_HOME"] = tempfile.mkdtemp(dir=SPEC["folder"])
import vod_widget as vw

up = vw.VODUpload(credentials=vw.Credentials("benchkeyid", "benchkeysecret"), endpoint=SPEC["base"])
widget = vw.VODUploadWidget(up)
for file in SPEC["files"]:
    up.add_file(file)
up.run()
assert all(r.state == "Success" for r in up.results())
time.sleep(8)  # threads that wait for more work leave after some seconds


def work():
    cpu, began = cpu_s(), time.monotonic()
    time.sleep(SPEC["seconds"])
    return {"idle_percent": 100 * (cpu_s() - cpu) / (time.monotonic() - began)}


measure(work)
