"""A strict local VOD, STS and OSS service: the cloud for tests, demos and offline work.

It checks signatures, tokens and limits with its own code and imports nothing of vod_widget
outside of this package, so that client and emulator cannot share a mistake.

    from vod_widget.emulator import Emulator, faults

    with Emulator() as emulator:
        emulator.faults.add(op="UploadPart", nth=2, when="after", action=faults.Drop())
        ...  # a client at emulator.endpoint, with emulator.access_key_id and its secret
        emulator.clock.advance(3000)  # every UploadAuth has expired

Layers, imports go down only: `clock crc64 errors switches signatures policy record faults` know
nothing of each other's callers; `assets tokens blobs book storage checks` are the state; `vod*
sts rpc oss_*` are the services; `durable` reads them back after a restart; `cloud` joins them
without HTTP; `courier` runs its errands; `server emulator cli` put sockets around, `in_memory` none.
"""

from __future__ import annotations

from vod_widget.emulator import faults
from vod_widget.emulator.assets import Asset, Event
from vod_widget.emulator.clock import Clock
from vod_widget.emulator.cloud import Cloud
from vod_widget.emulator.emulator import Emulator
from vod_widget.emulator.facts import UnfinishedUpload
from vod_widget.emulator.in_memory import ConnectionLost, InMemoryAnswer, InMemoryEmulator
from vod_widget.emulator.record import RequestRecord
from vod_widget.emulator.switches import Switches

__all__ = [
    "Asset",
    "Clock",
    "Cloud",
    "ConnectionLost",
    "Emulator",
    "Event",
    "InMemoryAnswer",
    "InMemoryEmulator",
    "RequestRecord",
    "Switches",
    "UnfinishedUpload",
    "faults",
]
