"""`Emulator`: the cloud in a thread, behind real sockets on this machine.

What lives here: starting and stopping, the data folder, and where it listens; what it holds is in `facts`. It
imports `cloud`, `server`, `tls`; the thread `vod-emulator` runs the event loop, every public method
may be called from any thread, also from inside a running loop (Jupyter).
"""

from __future__ import annotations

import asyncio
import logging
import random
import re
import secrets
import ssl
import threading
import weakref
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from vod_widget.emulator.blobs import DiskBlobs
from vod_widget.emulator.book import SqliteBook
from vod_widget.emulator.clock import Clock
from vod_widget.emulator.cloud import (
    DEFAULT_ACCOUNT_ID,
    DEFAULT_REGION,
    DEFAULT_UPLOAD_AUTH_TTL_S,
    Cloud,
)
from vod_widget.emulator.connection import MAX_LINE_BYTES, FrontServer, stop_listening
from vod_widget.emulator.courier import Courier
from vod_widget.emulator.facts import CloudFacts
from vod_widget.emulator.faults import Faults
from vod_widget.emulator.house import House
from vod_widget.emulator.lodging import Lodging
from vod_widget.emulator.record import RequestLog, RequestRecord
from vod_widget.emulator.server import HttpFront
from vod_widget.emulator.switches import Switches
from vod_widget.emulator.tls import make_server_context

# What aiohttp says about clients that speak no HTTP is for those who listen, not for stderr.
_HTTP_LOGGER = logging.getLogger("vod_widget.emulator.http")
_HTTP_LOGGER.addHandler(logging.NullHandler())
_LOGGER = logging.getLogger("vod_widget.emulator")
NETWORK_WARNING = (
    "the emulator listens on every interface of this machine: whoever reaches it can try to use it; "
    "its signatures are checked, nothing else protects it"
)

HOST = "127.0.0.1"
# What `localhost` means, too; clients that try it first would find nobody. Not every machine has it.
_HOST_V6 = "::1"
_BACKLOG = 1024
_EVERYWHERE = "0.0.0.0"  # noqa: S104 - only with network_name
_NETWORK_NAME = re.compile(r"[a-z0-9](?:[a-z0-9-]*[a-z0-9])?(?:\.[a-z0-9](?:[a-z0-9-]*[a-z0-9])?)*")
# How long `close` waits for a request that is being answered.
_GRACE_S = 0.2
_START_TIMEOUT_S = 30.0
_READ_BUFFER_BYTES = 1 << 20


class Emulator(CloudFacts):
    """A strict local VOD, STS and OSS service for tests, demos and offline work.

    Start it with `with Emulator() as emulator:` or `start()` and `close()`. Point clients at
    `endpoint` with `access_key_id` and `access_key_secret`.

    Args:
        data_dir: Where everything is kept: what was answered with success is there when the
            next emulator opens this folder, also after SIGKILL (not after a power cut). One
            emulator at a time. By default a temporary folder, deleted at `close`, or by the next emulator when the
            process was killed.
        port: TCP port on 127.0.0.1; 0 takes a free one.
        tls_port: Also serve https on this port; None: no https.
        upload_auth_ttl_s: Seconds an UploadAuth lives, > 0.
        oss_endpoint: What UploadAddress says; by default this server, by the caller's scheme.
        account_id: Digits.
        region: Service region.
        access_key_id: Key of the RAM user; made up by default. Ids that look real are refused.
        access_key_secret: Its secret; made up by default.
        switches: Decisions about what the vendor does not document.
        network_name: DANGEROUS, for a container of its own: listens on every interface and answers to this name
            or address, too. Whoever reaches the machine can then try to use it; the page and the admin API stay for
            this machine. A warning is logged. By default only this machine reaches the emulator.
        seed: Makes ids, keys and tokens repeatable; for tests.

    Raises:
        ValueError: A value is out of range, or the key looks real.
    """

    def __init__(
        self,
        data_dir: str | Path | None = None,
        port: int = 0,
        tls_port: int | None = None,
        upload_auth_ttl_s: float = DEFAULT_UPLOAD_AUTH_TTL_S,
        *,
        oss_endpoint: str = "",
        account_id: str = DEFAULT_ACCOUNT_ID,
        region: str = DEFAULT_REGION,
        access_key_id: str = "",
        access_key_secret: str = "",
        switches: Switches | None = None,
        network_name: str = "",
        seed: int | None = None,
    ) -> None:
        if network_name and not _NETWORK_NAME.fullmatch(network_name):
            raise ValueError(f"network_name must be a host name in lower case or an address, got {network_name!r}")
        self._network_name = network_name
        self.clock = Clock()
        self.faults = Faults()
        self._log = RequestLog()
        self._admin_secret = secrets.token_urlsafe(24)
        self._wanted_port = port
        self._wanted_tls_port = tls_port
        self._oss_endpoint = oss_endpoint.rstrip("/")
        self._folder, self._remove_folder = self._make_folder(data_dir)
        rng = random.SystemRandom() if seed is None else random.Random(seed)  # noqa: S311
        book = None if data_dir is None else SqliteBook(self._folder / "state.sqlite3")
        try:
            self._blobs = DiskBlobs(self._folder / "blobs")
            self.cloud = Cloud(
                clock=self.clock,
                rng=rng,
                blobs=self._blobs,
                account_id=account_id,
                region=region,
                upload_auth_ttl_s=upload_auth_ttl_s,
                switches=switches,
                access_key_id=access_key_id,
                access_key_secret=access_key_secret,
                book=book,
            )
        except BaseException:
            if book is not None:
                book.close()
            self._remove_folder()
            raise
        self._courier = Courier(self.cloud, own_port=lambda: self._port)
        self._port: int | None = None
        self._tls_port: int | None = None
        self._ca_file: Path | None = None
        self._thread: threading.Thread | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._stop: asyncio.Event | None = None
        self._closed = False

    def __repr__(self) -> str:
        where = f"http://{HOST}:{self._port}" if self._port else "not running"
        return f"<Emulator {where} account={self.account_id}>"

    def _make_folder(self, data_dir: str | Path | None) -> tuple[Path, weakref.finalize[Any, Any]]:
        if data_dir is None:
            lodging = Lodging()
            return lodging.folder, weakref.finalize(self, lodging.remove)
        folder = Path(data_dir).absolute()  # others are told of it, and their folder is another
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        return folder, weakref.finalize(self, lambda: None)

    # --- life ----------------------------------------------------------------------------

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def start(self) -> Self:
        """Open the ports and begin to serve; returns itself. Twice is harmless.

        Raises:
            RuntimeError: It was closed already.
            OSError: A port is taken.
        """
        if self._closed:
            raise RuntimeError("this emulator was closed; make a new one")
        if self._thread is not None:
            return self
        ready = threading.Event()
        failure: list[BaseException] = []
        thread = threading.Thread(target=self._run, args=(ready, failure), name="vod-emulator", daemon=True)
        self._thread = thread
        thread.start()
        if not ready.wait(_START_TIMEOUT_S):
            raise RuntimeError("the emulator did not start in time")
        if failure:
            thread.join()
            self._thread = None
            raise failure[0]
        self._courier.attach()  # what an earlier process left may lead to this one's port
        return self

    def close(self) -> None:
        """Stop serving, join the thread, delete a temporary data folder. Twice is harmless."""
        if self._closed:
            return
        self._closed = True
        self.faults.clear()
        self._courier.close()  # first: who waits for a callback's answer would hold up the server
        if self._thread is not None and self._loop is not None and self._stop is not None:
            self._loop.call_soon_threadsafe(self._stop.set)
            self._thread.join()
            self._thread = None
        self._port = self._tls_port = None
        self.cloud.close()
        self._remove_folder()

    def _run(self, ready: threading.Event, failure: list[BaseException]) -> None:
        try:
            asyncio.run(self._main(ready))
        except BaseException as exc:  # handed to the thread that called start
            failure.append(exc)
        finally:
            ready.set()

    async def _main(self, ready: threading.Event) -> None:
        self._loop = asyncio.get_running_loop()
        self._stop = asyncio.Event()
        house = House(self.cloud, self.faults, self._log, self._admin_secret, self.reset)
        front = HttpFront(
            self.cloud,
            self.faults,
            self._log,
            house,
            self._endpoint_for,
            call_back=self._courier.call_back,
            network_name=self._network_name,
        )
        server = FrontServer(
            front.handle,
            access_log=None,
            logger=_HTTP_LOGGER,
            auto_decompress=False,
            max_line_size=MAX_LINE_BYTES,
            max_field_size=MAX_LINE_BYTES,
            read_bufsize=_READ_BUFFER_BYTES,
            lingering_time=0.0,
        )
        listeners: list[asyncio.Server] = []
        try:
            self._port = await self._listen(server, listeners, self._wanted_port, None)
            if self._wanted_tls_port is not None:
                context, self._ca_file = make_server_context(self._folder, self.region, self._network_name)
                self._tls_port = await self._listen(server, listeners, self._wanted_tls_port, context)
            ready.set()
            await self._stop.wait()
        finally:
            await stop_listening(listeners)
            transports = [connection.transport for connection in server.connections]
            server.pre_shutdown()
            await server.shutdown(_GRACE_S)
            for transport in transports:
                if transport is not None:
                    transport.abort()  # an answer that its client never reads is not waited for
            await asyncio.sleep(0)
            front.close()

    async def _listen(
        self, server: FrontServer, listeners: list[asyncio.Server], port: int, context: ssl.SSLContext | None
    ) -> int:
        loop = asyncio.get_running_loop()
        if self._network_name:
            _LOGGER.warning("%s", NETWORK_WARNING)
        host = _EVERYWHERE if self._network_name else HOST
        listeners.append(await loop.create_server(server, host, port, ssl=context, backlog=_BACKLOG))
        taken = int(listeners[-1].sockets[0].getsockname()[1])
        with suppress(OSError):
            listeners.append(await loop.create_server(server, _HOST_V6, taken, ssl=context, backlog=_BACKLOG))
        return taken

    # --- where it is and who may use it --------------------------------------------------

    def _endpoint_for(self, secure: bool) -> str:
        if self._oss_endpoint:
            return self._oss_endpoint
        if self._network_name:
            return f"{'https' if secure else 'http'}://{self._network_name}:{self._tls_port if secure else self._port}"
        return self.tls_endpoint if secure else self.endpoint

    @property
    def endpoint(self) -> str:
        """Return `http://127.0.0.1:PORT`: VOD, STS and OSS.

        Raises:
            RuntimeError: Not running.
        """
        if self._port is None:
            raise RuntimeError("the emulator is not running; use start() or a with block")
        return f"http://{HOST}:{self._port}"

    @property
    def tls_endpoint(self) -> str:
        """Return `https://127.0.0.1:PORT`.

        Raises:
            RuntimeError: Not running, or made without `tls_port`.
        """
        if self._tls_port is None:
            raise RuntimeError("no https: make the emulator with tls_port=0 and start it")
        return f"https://{HOST}:{self._tls_port}"

    @property
    def has_tls(self) -> bool:
        """Tell whether `tls_endpoint` can be used."""
        return self._tls_port is not None

    @property
    def tls_ca_file(self) -> Path:
        """Return the CA certificate that https clients of this emulator shall trust.

        Raises:
            RuntimeError: Not running, or made without `tls_port`.
        """
        if self._ca_file is None:
            raise RuntimeError("no https: make the emulator with tls_port=0 and start it")
        return self._ca_file

    @property
    def data_dir(self) -> Path:
        """Return the folder with everything that is kept."""
        return self._folder

    @property
    def admin_secret(self) -> str:
        """Return what opens the admin API of this run to another process; see `house`."""
        return self._admin_secret

    # --- what happened -------------------------------------------------------------------

    @property
    def requests(self) -> list[RequestRecord]:
        """Return the log of requests; secrets are masked."""
        return self._log.records()

    def settle(self, timeout_s: float = 20.0) -> bool:
        """Wait until no callback and no pull is on its way; False when time was too short."""
        return self._courier.settle(timeout_s)

    def reset(self) -> None:
        """Forget everything but ports and long-lived keys: also faults, log and clock."""
        self.faults.clear()
        self.cloud.reset()
        self._log.clear()
