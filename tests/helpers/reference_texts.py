"""What the reference says in words of its own, where no docstring has them; tests run the samples against the code."""

from __future__ import annotations

__all__ = ["AUTHORITY", "CONFIG_JSON", "CREDENTIALS_INI", "EMULATOR", "GET_AUTH", "POLICY", "PROFILES", "READING"]

CONFIG_JSON = """\
{
  "current": "prod",
  "profiles": [
    {"name": "prod", "mode": "AK", "region_id": "cn-shanghai",
     "access_key_id": "<id>", "access_key_secret": "<secret>"},
    {"name": "role", "mode": "RamRoleArn", "region_id": "cn-shanghai",
     "access_key_id": "<id>", "access_key_secret": "<secret>",
     "ram_role_arn": "acs:ram::<account>:role/<name>", "ram_session_name": "vod_widget"}
  ]
}"""
CREDENTIALS_INI = """\
[default]
type = access_key
access_key_id = <id>
access_key_secret = <secret>
region_id = cn-shanghai

[cron]
type = ram_role_arn
access_key_id = <id>
access_key_secret = <secret>
role_arn = acs:ram::<account>:role/<name>"""
GET_AUTH = """\
def get_auth(context):
    answer = ask_my_server(context.kind, context.video_id, context.title, context.file_name, context.reference_id)
    return {
        "VideoId": answer["VideoId"],  # ImageId for an image, MediaId for an attached medium
        "UploadAuth": answer["UploadAuth"],  # base64, as VOD returned it
        "UploadAddress": answer["UploadAddress"],  # base64, as VOD returned it
        "ImageURL": answer.get("ImageURL"),  # images only, optional
    }"""

PROFILES = [
    "The first place that holds keys is used; half a pair of keys or a broken file is an error, never skipped:",
    "",
    "1. `get_auth=` or `credentials=` in code; then `profile=`, else the variable `VOD_WIDGET_PROFILE`: a name that is looked",
    "   for in the files below. `emulator` is the built-in one, and is never taken unless it is named.",
    "2. `ALIBABA_CLOUD_ACCESS_KEY_ID` and `ALIBABA_CLOUD_ACCESS_KEY_SECRET`, with `ALIBABA_CLOUD_SECURITY_TOKEN` for temporary",
    "   keys. Long-lived ones beside `ALIBABA_CLOUD_ROLE_ARN` assume that role.",
    "3. A role by OIDC token: `ALIBABA_CLOUD_ROLE_ARN`, `ALIBABA_CLOUD_OIDC_PROVIDER_ARN` and `ALIBABA_CLOUD_OIDC_TOKEN_FILE`, all three.",
    "4. `~/.aliyun/config.json`, the file of the vendor's command line (`aliyun configure`): the profile that",
    "   `ALIBABA_CLOUD_PROFILE` names, else its `current`. Not read when `ALIBABA_CLOUD_CLI_PROFILE_DISABLED` is `true`.",
    "5. `~/.alibabacloud/credentials.ini`, then `~/.alibabacloud/credentials`, or the one file that",
    "   `ALIBABA_CLOUD_CREDENTIALS_FILE` names: the section `ALIBABA_CLOUD_PROFILE`, else `default`.",
    "6. `ALIBABA_CLOUD_CREDENTIALS_URI`: an address that answers with keys, by https, or by http near this machine.",
    "7. The metadata service of an ECS instance: the role of `ALIBABA_CLOUD_ECS_METADATA`, else the one attached. Not asked when",
    "   `ALIBABA_CLOUD_ECS_METADATA_DISABLED` is `true`; `ALIBABA_CLOUD_IMDSV1_DISABLED` refuses a service without tokens.",
    "8. The variables of other programs: `OSS_*`, `ALIBABACLOUD_*`, `ALICLOUD_*`, `ALIYUN_*`, with a notice.",
    "",
    "Modes of a profile: `AK`, `StsToken`, `RamRoleArn`, `ChainableRamRoleArn`, `RamRoleArnWithEcs`, `EcsRamRole`, `OIDC`, `External`,",
    "`CredentialsURI`; `CloudSSO` and `OAuth` while their keys last, and beyond with the extra `vod_widget[credentials]`. INI types:",
    "`access_key`, `sts`, `ram_role_arn`, `ecs_ram_role`, `oidc_role_arn`, `credentials_uri`. What is fetched is renewed at 75 to 80 % of",
    "its life, by one thread for all, and its profile is read again before.",
    "",
    "`vw.explain()` prints this search as it went. A file must be yours, not a link, and not writable by others: `chmod 600`.",
    "",
    "`~/.aliyun/config.json`:",
    "",
    "```json",
    *CONFIG_JSON.splitlines(),
    "```",
    "",
    "`~/.alibabacloud/credentials.ini`:",
    "",
    "```ini",
    *CREDENTIALS_INI.splitlines(),
    "```",
]
AUTHORITY = [
    "It is called with an `AuthContext` on a worker thread, may be a coroutine, and returns the answer of the VOD operation",
    "that `context.kind` names as a dict; other keys are ignored. What it raises fails the file (`Callback`); an `OSError` of",
    "the network is tried again.",
    "",
    "```python",
    *GET_AUTH.splitlines(),
    "```",
]
READING = [
    "`repr`, `str` and logs show `***`; pickling and copying raise. `Credentials` and `credentials=` take plain texts and",
    "keep them as `Secret`.",
]
EMULATOR = [
    '`profile="emulator"` starts one inside the process and keeps it; make one yourself to see what is stored, to break',
    "things, or to turn its clock:",
    "",
    "```python",
    "from vod_widget.emulator.faults import Drop",
    "",
    "with vw.Emulator() as emulator:",
    "    keys = vw.Credentials(emulator.access_key_id, emulator.access_key_secret)",
    '    emulator.faults.add(op="CreateUploadVideo", when="after", action=Drop())  # the answer gets lost',
    '    (row,) = vw.upload("talk.mp4", credentials=keys, endpoint=emulator.endpoint)',
    "    emulator.object_path(row.video_id).read_bytes()  # what was stored",
    "    emulator.clock.advance(3600)  # every credential given so far has ended",
    "```",
    "",
    "For programs in other languages, `vod-widget emulator --data-dir DIR` serves until Ctrl-C and prints its address and keys, for",
    "programs as one line with `--json`; `--tls-port 0` adds https. Opened in a browser, the address shows what is stored, and plays it.",
    "",
    "Of OSS there is what uploads and buckets need: objects (put, append, multipart, copy, form, symlink, tags, storage classes and",
    "restore), versions of objects, listings, ACLs, CORS, signatures V1, V2 and V4, `x-oss-traffic-limit`, callbacks (`x-oss-callback`,",
    "without the vendor's RSA signature) and asynchronous fetches, both to this machine only. In force are policies of buckets",
    "(of their conditions acs:SourceIp), request payment, the block of public access, retention (worm) and the index and error pages of",
    'a website; `emulator.cloud.add_account("2...")` returns the key of another account to try them with. The headers of encryption',
    "come back as the service's do, but bytes lie in the data folder as they came. Other configurations of buckets (lifecycle, logging,",
    "referer, tagging, inventory, styles, limits, transfer acceleration, access monitor, HTTPS versions, replication, access points,",
    "names of your own) are checked, kept and shown, and nothing acts on them; nobody can push to a live channel, since RTMP is not",
    "served. SelectObject and image processing answer `NotImplemented`.",
]
POLICY = [
    "What a page may not do is answered with the code `Policy`; too many messages in a second with `RateLimit`.",
]
