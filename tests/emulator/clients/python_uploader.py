"""Drive the vendor's Python uploader: a task as JSON on stdin, what it returned on stdout.

Its host names cannot be set, so the vendor's names lead to the emulator here.
"""

from __future__ import annotations

import contextlib
import json
import socket
import sys


def main() -> None:
    task = json.load(sys.stdin)
    sys.path.insert(0, task["folder"])
    real = socket.getaddrinfo

    def resolve(host: str, *rest: object, **more: object) -> list[tuple[object, ...]]:
        if str(host).endswith(".aliyuncs.com"):
            return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", task["port"]))]
        return real(host, *rest, **more)

    socket.getaddrinfo = resolve
    from voduploadsdk.AliyunVodUploader import AliyunVodUploader
    from voduploadsdk.UploadAttachedMediaRequest import UploadAttachedMediaRequest
    from voduploadsdk.UploadImageRequest import UploadImageRequest
    from voduploadsdk.UploadVideoRequest import UploadVideoRequest

    uploader = AliyunVodUploader(task["key"], task["secret"])
    if "threshold" in task:
        uploader.setMultipartUpload(task["threshold"], task["part_size"], 2)
    seen = {}
    with contextlib.redirect_stdout(sys.stderr):  # it prints
        if "video" in task:
            request = UploadVideoRequest(task["video"], "From Python ü")
            request.setTags("a,b")
            seen["video"] = uploader.uploadLocalVideo(request)["VideoId"]
        if "playlist" in task:
            request = UploadVideoRequest(task["playlist"], "A playlist")
            seen["playlist"] = uploader.uploadLocalM3u8(request, task["slices"])
        if "image" in task:
            request = UploadImageRequest(task["image"], "A picture")
            request.setImageType("default")
            seen["image"] = uploader.uploadImage(request)[0]
        if "subtitle" in task:
            request = UploadAttachedMediaRequest(task["subtitle"], "subtitle", "Words")
            seen["subtitle"] = uploader.uploadAttachedMedia(request)["MediaId"]
    print(json.dumps(seen))


main()
