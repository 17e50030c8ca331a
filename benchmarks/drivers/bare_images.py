"""The two calls of an image and nothing else, by the same edges on a pool of threads: no queue, no journal, no retry.

What it takes is the floor for a queue while oss2 and the vendor's requests are between it and its sockets.
"""

import os
from concurrent.futures import ThreadPoolExecutor

from _common import SPEC, measure

from vod_widget.crc64 import crc64
from vod_widget.metadata import plain_metadata
from vod_widget.model import Credentials, MediaType
from vod_widget.oss import OssStore
from vod_widget.system import SystemClock
from vod_widget.vod_api import SdkVodApi

THREADS = 16
clock = SystemClock()
api, store = SdkVodApi(clock, pool_size=THREADS), OssStore(clock, pool_size=THREADS)
vod = api.open(Credentials("benchkeyid", "benchkeysecret"), "cn-shanghai", SPEC["base"])


class Body:
    def __init__(self, data):
        self.data = data

    def __len__(self):
        return len(self.data)

    def __iter__(self):
        yield self.data


def send(path):
    name = os.path.basename(path)
    with open(path, "rb") as file:
        data = file.read()
    grant = vod.create_upload_image(plain_metadata(name, MediaType.IMAGE), file_name=name)
    info = store.open(grant.auth, grant.address).put_object(Body(data), {})
    assert info.crc64 == crc64(data)


for file in SPEC["warm_files"]:
    send(file)


def work():
    with ThreadPoolExecutor(THREADS) as pool:
        list(pool.map(send, SPEC["files"]))


measure(work)
