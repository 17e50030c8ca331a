"""The vendor's server-side upload SDK; its report to the vendor after each part is left out, which flatters it."""

from urllib.parse import urlsplit

from _common import SPEC, measure
from aliyunsdkcore import client as core
from aliyunsdkcore.profile import region_provider

place = urlsplit(SPEC["base"])
real = core.AcsClient
core.AcsClient = lambda *args, **options: real(*args, port=place.port, **options)
region_provider.add_endpoint("vod", "cn-shanghai", place.hostname)

from voduploadsdk import AliyunVodUploader as sdk
from voduploadsdk import AliyunVodUtils as utils
from voduploadsdk.UploadImageRequest import UploadImageRequest
from voduploadsdk.UploadVideoRequest import UploadVideoRequest

utils.VOD_PRINT_INFO_LOG_SWITCH = 0
sdk._VodResumableUploader._VodResumableUploader__reportUploadProgress = lambda *_args: None
uploader = sdk.AliyunVodUploader("benchkeyid", "benchkeysecret")
uploader.uploadProgressCallback = lambda *_args: None


def send(file):
    if file.endswith(".jpg"):
        uploader.uploadImage(UploadImageRequest(file))
    else:
        uploader.uploadLocalVideo(UploadVideoRequest(file))


for file in SPEC["warm_files"]:
    send(file)


def work():
    for file in SPEC["files"]:
        send(file)


measure(work)
