"""Upload video, audio and images to Alibaba Cloud ApsaraVideo VOD from Python and Jupyter.

Public names only; the modules behind them load on first use, so that `import vod_widget` needs neither Jupyter nor a
network library.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from ._version import __version__

if TYPE_CHECKING:
    from .batch import Results, check, explain, profiles, resume, upload
    from .emulator import Emulator
    from .errors import VODError
    from .model import Credentials, MediaType, Phase, UploaderState, UploadResult, UploadState
    from .secret import Secret
    from .upload_info import UploadInfo
    from .uploader import VODUpload
    from .widget import Policy, VODUploadWidget

__all__ = [
    "Credentials",
    "Emulator",
    "MediaType",
    "Phase",
    "Policy",
    "Results",
    "Secret",
    "UploadInfo",
    "UploadResult",
    "UploadState",
    "UploaderState",
    "VODError",
    "VODUpload",
    "VODUploadWidget",
    "__version__",
    "check",
    "explain",
    "profiles",
    "resume",
    "upload",
]

_HOME = {
    "Credentials": "model",
    "Emulator": "emulator",
    "MediaType": "model",
    "Phase": "model",
    "Policy": "widget",
    "Results": "batch",
    "Secret": "secret",
    "UploadInfo": "upload_info",
    "UploadResult": "model",
    "UploadState": "model",
    "UploaderState": "model",
    "VODError": "errors",
    "VODUpload": "uploader",
    "VODUploadWidget": "widget",
    "check": "batch",
    "explain": "batch",
    "profiles": "batch",
    "resume": "batch",
    "upload": "batch",
}


def __getattr__(name: str) -> Any:
    home = _HOME.get(name)
    if home is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(importlib.import_module(f"{__name__}.{home}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
