"""`python -m vod_widget`: the same as the command `vod-widget`."""

from __future__ import annotations

import sys

from vod_widget.cli import main

sys.exit(main())
