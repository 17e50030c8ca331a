"""alibabacloud-oss-v2's Uploader with its defaults."""

import os

import alibabacloud_oss_v2 as oss
from _common import SPEC, measure

config = oss.config.load_default()
config.credentials_provider = oss.credentials.StaticCredentialsProvider("STS.bench", "benchsecret", "benchtoken")
config.region, config.endpoint = "cn-shanghai", SPEC["base"]
config.use_path_style = "aliyuncs" not in SPEC["base"]
client = oss.Client(config)
uploader = client.uploader(**SPEC.get("options", {}))
for file in SPEC["warm_files"]:
    uploader.upload_file(oss.PutObjectRequest(bucket="bench", key="warm"), filepath=file)


def work():
    for n, file in enumerate(SPEC["files"]):
        uploader.upload_file(oss.PutObjectRequest(bucket="bench", key=f"o/{os.getpid()}-{n}"), filepath=file)


measure(work, version=oss.__version__)
