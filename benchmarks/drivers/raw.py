"""The physical limit: one PUT by sendfile, or by send of 10 MB buffers over TLS. No check, no progress.

With `checked` the least that a client can do that must know what it sends: read 1 MiB, sum it, send it.
"""

import http.client
import mmap
import os
import ssl
import threading
from urllib.parse import urlsplit

from _common import SPEC, measure

parts = urlsplit(SPEC["base"])
size = os.path.getsize(SPEC["file"])
connections = SPEC.get("connections", 1)


def connect():
    if parts.scheme == "https":
        context = ssl.create_default_context(cafile=SPEC["ca_file"])
        made = http.client.HTTPSConnection(parts.hostname, parts.port, context=context)
    else:
        made = http.client.HTTPConnection(parts.hostname, parts.port)
    made.request("PUT", "/bench/warm", b"x" * 4096)
    made.getresponse().read()
    return made


def send(connection, descriptor, view, start, end):
    connection.putrequest("PUT", f"/bench/o{start}")
    connection.putheader("Content-Length", str(end - start))
    connection.endheaders()
    if SPEC.get("checked"):
        import fastcrc

        connection.sock.settimeout(60)
        buffer = memoryview(bytearray(2**20))
        total = 0
        while start < end:
            got = os.preadv(descriptor, [buffer[: end - start]], start)
            total = fastcrc.crc64.xz(buffer[:got], total)
            connection.sock.sendall(buffer[:got])
            start += got
    elif view is None:
        while start < end:
            start += os.sendfile(connection.sock.fileno(), descriptor, start, end - start)
    else:
        for at in range(start, end, 10_000_000):
            connection.sock.sendall(view[at : min(end, at + 10_000_000)])
    answer = connection.getresponse()
    answer.read()
    assert answer.status == 200


links = [connect() for _ in range(connections)]
file = open(SPEC["file"], "rb")
view = memoryview(mmap.mmap(file.fileno(), 0, prot=mmap.PROT_READ)) if parts.scheme == "https" else None


def work():
    step = -(-size // connections) // 4096 * 4096 or size
    bounds = [(i * step, size if i == connections - 1 else (i + 1) * step) for i in range(connections)]
    threads = [
        threading.Thread(target=send, args=(link, file.fileno(), view, *bound))
        for link, bound in zip(links, bounds, strict=True)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


measure(work)
