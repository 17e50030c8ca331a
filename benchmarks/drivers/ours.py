"""vod_widget as a program uses it: one queue, own keys, progress callback on, every part checked."""

import os
import tempfile
import time

from _common import SPEC, measure

os.environ["VOD_WIDGET_HOME"] = tempfile.mkdtemp(dir=SPEC["folder"])
import vod_widget as vw

progress = []
options = dict(SPEC.get("options", {}))
up = vw.VODUpload(
    credentials=vw.Credentials("benchkeyid", "benchkeysecret"),
    endpoint=SPEC.get("endpoint", SPEC["base"]),
    region="cn-shanghai",
    on_upload_progress=lambda info, total, share: progress.append((time.monotonic(), info.sent_bytes)),
    **options,
)
if SPEC.get("congestion"):
    up._authority.store()._wire.congestion = None
for file in SPEC["warm_files"]:
    up.add_file(file)
up.run()
warmed = up.results()
assert all(r.state == "Success" for r in warmed), [r.error_message for r in warmed]
up.clean_list()
progress.clear()


def work():
    for file in SPEC["files"]:
        up.add_file(file)
    up.run()
    results = up.results()
    bad = [r for r in results if r.state != "Success" or r.verified != "crc64"]
    assert not bad, bad[:3]
    seen, asked = up._queue.concurrency.link.congestion, SPEC.get("congestion")
    assert not asked or seen in {"", asked}, f"the line ran with {seen} and not with {asked}"
    return {"progress": progress if SPEC.get("keep_progress") else len(progress)}


measure(work)
