"""Calls that cannot succeed, by which a right is asked for: what each must have is missing or wrong.

Base of floor 2, used by `vod_api.py` alone; no I/O.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from aliyunsdkcore.request import RpcRequest
from aliyunsdkvod.request.v20170321.CreateUploadImageRequest import CreateUploadImageRequest
from aliyunsdkvod.request.v20170321.CreateUploadVideoRequest import CreateUploadVideoRequest
from aliyunsdkvod.request.v20170321.GetVideoInfoRequest import GetVideoInfoRequest
from aliyunsdkvod.request.v20170321.RefreshUploadVideoRequest import RefreshUploadVideoRequest

__all__ = ["PROBES"]


def _update() -> Any:
    return RpcRequest("vod", "2017-03-21", "UpdateVideoInfo")


_NOBODYS_ID = "0" * 32
PROBES: dict[str, tuple[Callable[[], Any], dict[str, Any]]] = {
    "vod:CreateUploadVideo": (CreateUploadVideoRequest, {}),
    "vod:RefreshUploadVideo": (RefreshUploadVideoRequest, {"VideoId": _NOBODYS_ID}),
    # A title of 200 bytes is over the limit of 128, should the service mend a wrong type.
    "vod:CreateUploadImage": (CreateUploadImageRequest, {"ImageType": "none", "Title": "x" * 200}),
    "vod:GetVideoInfo": (GetVideoInfoRequest, {"VideoId": _NOBODYS_ID}),
    "vod:UpdateVideoInfo": (_update, {}),
}
"""Action: its request, and what is wrong with it."""
