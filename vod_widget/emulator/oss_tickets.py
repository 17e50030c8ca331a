"""What is known of a request before its body.

What lives here: `Ticket`. It imports the modules of its fields; data only.
"""

from __future__ import annotations

from dataclasses import dataclass

from vod_widget.emulator.objects import Upload
from vod_widget.emulator.oss_callback import Wish
from vod_widget.emulator.oss_forms import FormReader
from vod_widget.emulator.oss_names import OssRequest
from vod_widget.emulator.oss_views import Body
from vod_widget.emulator.tokens import Key

BODIES = frozenset({"PutObject", "UploadPart", "AppendObject", "PostObject"})


@dataclass(frozen=True)
class Ticket:
    """A request that may go on: what `begin` found out."""

    request: OssRequest
    operation: str
    key: Key | None
    """None: nobody in particular, or the form of PostObject will tell."""
    upload: Upload | None = None
    part_number: int = 0
    position: int = 0
    """Of AppendObject."""
    form: FormReader | None = None
    """Of PostObject: the body goes through it, and what it gives is stored."""
    source: Body | None = None
    """Of a copy: what is stored in place of the body."""

    wish: Wish | None = None
    """The callback that is due when it worked."""

    @property
    def stores_body(self) -> bool:
        """Tell whether the body, or the file in it, becomes stored bytes."""
        return self.operation in BODIES
