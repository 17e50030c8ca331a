"""Very many files in one queue: time to add, memory, and from start_upload to the first byte."""

import gc
import json
import os
import tempfile
import time
import urllib.request

from _common import SPEC, cpu_s, measure, memory_mib

os.environ["VOD_WIDGET_HOME"] = tempfile.mkdtemp(dir=SPEC["folder"])
import vod_widget as vw

up = vw.VODUpload(credentials=vw.Credentials("benchkeyid", "benchkeysecret"), endpoint=SPEC["base"])
for file in SPEC["warm_files"]:
    up.add_file(file)
up.run()
up.clean_list()
with open(SPEC["files_in"]) as listing:
    files = json.load(listing)
gc.collect()


def reset_sink():
    urllib.request.urlopen(f"{SPEC['base']}/_sink/reset").read()


def work():
    before, began, cpu = memory_mib(), time.monotonic(), cpu_s()
    for file in files:
        up.add_file(file)
    added = time.monotonic() - began
    facts = {"add_s": added, "add_cpu_s": cpu_s() - cpu, "queue_mb": (memory_mib() - before) * 2**20 / 1e6}
    reset_sink()
    start = time.monotonic()
    up.start_upload()
    deadline = start + 30
    while not any(i.sent_bytes for i in up.list_files()[:20]) and time.monotonic() < deadline:
        time.sleep(0.005)
    up.stop_upload()
    return {**facts, "start_at": start}


measure(work)
