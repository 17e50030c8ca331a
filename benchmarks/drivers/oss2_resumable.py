"""oss2.resumable_upload as its documentation shows it."""

import os
import tempfile

import oss2
from _common import SPEC, measure

auth = oss2.StsAuth("STS.bench", "benchsecret", "benchtoken")
bucket = oss2.Bucket(auth, SPEC["base"], "bench", session=oss2.Session())
store = oss2.ResumableStore(root=tempfile.mkdtemp(dir=SPEC["folder"]))
for file in SPEC["warm_files"]:
    bucket.put_object_from_file("warm", file)


def work():
    for n, file in enumerate(SPEC["files"]):
        oss2.resumable_upload(bucket, f"o/{os.getpid()}-{n}", file, store=store, **SPEC.get("options", {}))


measure(work, version=oss2.__version__)
