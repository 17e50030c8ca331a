"""`python -m vod_widget.emulator`: the same as `vod-widget emulator`."""

from __future__ import annotations

import sys

from vod_widget.emulator.cli import serve

sys.exit(serve())
