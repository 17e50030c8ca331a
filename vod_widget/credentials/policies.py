"""The RAM policies that ship with the package, as files in `vod_widget/policies`.

Reads package data; no other I/O; any thread.
"""

from __future__ import annotations

import functools
import json
from importlib.resources import files
from pathlib import Path

__all__ = ["policy_path", "upload_actions", "upload_policy"]


def policy_path(name: str) -> Path:
    """Return where a policy lies, for people to open: "upload" or "assume-role"."""
    return Path(str(files("vod_widget").joinpath("policies", f"{name}.json")))


@functools.cache
def upload_policy() -> str:
    """Return what an upload calls and no more, as one line: the inline policy of every key that we ask for.

    A role may allow the whole of VOD; a key narrowed by this does not. STS takes at most 1,024 characters.

    Source: system policy AliyunVODUploadAuth plus GetVideoInfo, which finds an asset again after a lost answer.
    """
    return json.dumps(json.loads(policy_path("upload").read_text("utf-8")), separators=(",", ":"))


def upload_actions() -> tuple[str, ...]:
    """Return the actions of the upload policy, like `vod:CreateUploadVideo`."""
    return tuple(json.loads(upload_policy())["Statement"][0]["Action"])
