"""The control plane: the only module that imports aliyunsdkcore and aliyunsdkvod, which build and sign every call.

The vendor's request classes name the parameters and its composer signs; the request then goes by our own pool, because
`AcsClient` connects anew without limits on the answer, follows proxy variables, and logs tokens (`docs/decisions.md`).
All parameters travel in the form body of a POST over https: never in a URL, which proxies log. Floor 2: imports floor 0
and the `_http` base. Methods run in the engine's threads, any number at once.

Source of the operations: https://www.alibabacloud.com/help/en/vod/developer-reference/api-vod-2017-03-21-overview and
https://www.alibabacloud.com/help/en/ram/developer-reference/api-sts-2015-04-01-assumerole, read 2026-11.
"""

from __future__ import annotations

import posixpath
from collections.abc import Callable
from functools import partial
from typing import Any, TypeVar

from aliyunsdkcore.request import RpcRequest
from aliyunsdkvod.request.v20170321.CreateUploadImageRequest import CreateUploadImageRequest
from aliyunsdkvod.request.v20170321.CreateUploadVideoRequest import CreateUploadVideoRequest
from aliyunsdkvod.request.v20170321.GetCategoriesRequest import GetCategoriesRequest
from aliyunsdkvod.request.v20170321.GetPlayInfoRequest import GetPlayInfoRequest
from aliyunsdkvod.request.v20170321.GetVideoInfoRequest import GetVideoInfoRequest
from aliyunsdkvod.request.v20170321.RefreshUploadVideoRequest import RefreshUploadVideoRequest

from ._http import Answer, Exchange, Wire, perform
from ._http_faults import date_s, guard_logs
from ._vod_answers import categories, grant, json_object, role_key, stream, texts, video
from ._vod_faults import NOT_FOUND, rpc_error
from ._vod_hosts import base_url_of
from ._vod_probes import PROBES
from ._vod_signing import form_of
from .errors import (
    AccessDeniedError,
    ClockSkewError,
    InvalidArgumentError,
    KeysRefusedError,
    NotFoundError,
    RequestRefusedError,
    VODError,
)
from .interfaces import Clock
from .model import Category, Credentials, Grant, UploadMetadata, VideoStatus
from .secret import Secret

__all__ = ["SdkVodApi"]

T = TypeVar("T")
Reader = Callable[[dict[str, Any], Answer], T]

_IMAGE_EXTENSIONS = frozenset({"png", "jpg", "jpeg", "gif"})
# Not transcoded yet, or of a kind that nothing plays. Source: GetPlayInfo, error codes.
_NOTHING_TO_PLAY = frozenset({"InvalidVideo.NoneStream", "InvalidVideo.NoneHDRStream"})
_STEADY_S = 5.0
"""A Date header is cut to the second and was written before it arrived: less than this is no difference of clocks."""


class SdkVodApi:
    """ApsaraVideo VOD and STS through one pool of connections.

    Args:
        clock: Wall time for Timestamp, monotonic time for deadlines.
        timeout_s: Longest time from the request sent to the last byte of the answer, seconds. (The request, some
            2 KB, leaves at once; it has the same limit.)
        connect_timeout_s: Longest time for TCP and TLS to connect, seconds.
        pool_size: Connections kept open, >= 1.
        ca_file: PEM file of trusted authorities instead of certifi's; for the emulator's TLS.
        user_agent: Sent as User-Agent.

    Attributes:
        clock_offset_s: Server time minus ours, seconds; added to every Timestamp. Learned from a refusal for skew.
    """

    def __init__(
        self,
        clock: Clock,
        *,
        timeout_s: float = 60.0,
        connect_timeout_s: float = 10.0,
        pool_size: int = 8,
        ca_file: str | None = None,
        user_agent: str = "vod_widget",
    ) -> None:
        if pool_size < 1 or connect_timeout_s <= 0 or timeout_s <= 0:
            raise InvalidArgumentError("pool_size and the timeouts must be positive")
        guard_logs(("aliyunsdkcore", "urllib3", "requests"))
        self.clock_offset_s = 0.0
        self._clock = clock
        self._timeout_s = timeout_s
        self._connect_timeout_s = connect_timeout_s
        self._user_agent = user_agent
        self._wire = Wire(pool_size=pool_size, ca_file=ca_file)

    def open(self, credentials: Credentials, region: str, endpoint: str | None) -> SdkVodSession:
        """Return a cheap session with one set of credentials; nothing is sent.

        Args:
            credentials: Keys of an account, a RAM user or a role.
            region: Service region, one of `addresses.KNOWN_REGIONS`; with an endpoint any well-formed id.
            endpoint: Base URL, or None for `https://vod.<region>.aliyuncs.com`.

        Raises:
            InvalidArgumentError: VOD has no such region.
            EndpointRefusedError: The endpoint is neither the vendor's by https nor this machine.
            CredentialError: A real key would go to an emulator.
        """
        base = base_url_of("vod", credentials, region, endpoint)
        return SdkVodSession(self, credentials, region, base)

    def round_trip_s(self) -> float | None:
        """Return how far the service is, seconds, or None where no connection tells."""
        return self._wire.facts().rtt_s

    def assume_role(
        self,
        credentials: Credentials,
        role_arn: str,
        session_name: str,
        duration_s: int = 3600,
        policy: str | None = None,
        *,
        external_id: str | None = None,
        region: str | None = None,
        endpoint: str | None = None,
    ) -> Credentials:
        """Exchange keys for a temporary key of a role (STS AssumeRole).

        Args:
            credentials: Keys that may assume the role; those of a root account may not.
            role_arn: `acs:ram::<account>:role/<name>`.
            session_name: 2 to 64 letters, digits and `.@-_`.
            duration_s: Life, seconds, 900 up to the role's maximum.
            policy: RAM policy (JSON) that narrows the role's rights, or None.
            external_id: What the role's trust policy asks of third parties, or None.
            region: Region of the STS host, or None for the central one.
            endpoint: Base URL of STS, or None for the vendor's.
        """
        request = RpcRequest("Sts", "2015-04-01", "AssumeRole")
        _fill(
            request,
            RoleArn=role_arn,
            RoleSessionName=session_name,
            DurationSeconds=duration_s,
            Policy=policy,
            ExternalId=external_id,
        )
        place = f"role {role_arn.rpartition('/')[2]}"
        return self._sts(request, credentials, region, endpoint, partial(self._role_key, place))

    def assume_role_with_oidc(
        self,
        token: Secret,
        *,
        provider_arn: str,
        role_arn: str,
        session_name: str,
        duration_s: int = 3600,
        policy: str | None = None,
        region: str | None = None,
        endpoint: str | None = None,
    ) -> Credentials:
        """Exchange the token of an identity provider for a temporary key of a role (STS AssumeRoleWithOIDC).

        The call is not signed: the token is the proof.

        Args:
            token: What the provider issued.
            provider_arn: `acs:ram::<account>:oidc-provider/<name>`.
            role_arn: `acs:ram::<account>:role/<name>`.
            session_name: 2 to 64 letters, digits and `.@-_`.
            duration_s: Life, seconds, 900 up to the role's maximum.
            policy: RAM policy (JSON) that narrows the role's rights, or None.
            region: Region of the STS host, or None for the central one.
            endpoint: Base URL of STS, or None for the vendor's.

        Source: https://www.alibabacloud.com/help/en/ram/developer-reference/api-sts-2015-04-01-assumerolewithoidc,
        read 2026-11.
        """
        request = RpcRequest("Sts", "2015-04-01", "AssumeRoleWithOIDC")
        _fill(
            request,
            RoleArn=role_arn,
            OIDCProviderArn=provider_arn,
            RoleSessionName=session_name,
            DurationSeconds=duration_s,
            Policy=policy,
        )
        place = f"role {role_arn.rpartition('/')[2]}"
        base = base_url_of("sts", None, region, endpoint)
        return self._call(request, token, region or "cn-hangzhou", base, partial(self._role_key, place))

    def get_caller_identity(
        self, credentials: Credentials, region: str | None = None, endpoint: str | None = None
    ) -> dict[str, str]:
        """Ask STS whose keys these are.

        Returns:
            The texts of the answer: AccountId, Arn, IdentityType, PrincipalId, ... as far as they are given.
        """
        request = RpcRequest("Sts", "2015-04-01", "GetCallerIdentity")
        return self._sts(request, credentials, region, endpoint, texts)

    def close(self) -> None:
        """Close every connection; calls under way fail with ConnectionLostError."""
        self._wire.close()

    def __repr__(self) -> str:
        return f"SdkVodApi(clock_offset_s={self.clock_offset_s:.0f})"

    def _sts(
        self, request: Any, credentials: Credentials, region: str | None, endpoint: str | None, read: Reader[T]
    ) -> T:
        base = base_url_of("sts", credentials, region, endpoint)
        return self._call(request, credentials, region or "cn-hangzhou", base, read)

    def _call(self, request: Any, credentials: Credentials | Secret, region: str, base: str, read: Reader[T]) -> T:
        """Sign and send one request, and read the flat JSON object of a success.

        A token in the place of keys goes into the form, which is then not signed.

        `read` runs inside `perform`, so that no frame that a traceback shows holds an answer with keys in it.
        """
        action = str(request.get_action_name())
        exchange = Exchange(
            self._clock,
            action,
            idle_s=self._timeout_s,
            send_s=self._timeout_s,
            answer_s=self._timeout_s,
        )

        def run() -> T:
            self._wire.session.request(
                "POST",
                f"{base}/",
                data=form_of(request, credentials, region, now_s=self._clock.now_s() + self.clock_offset_s),
                headers={
                    **request.get_signed_header(),
                    "Accept": "application/json",
                    "Accept-Encoding": "identity",
                    "Content-Type": "application/x-www-form-urlencoded",
                    "User-Agent": self._user_agent,
                },
                stream=True,
                timeout=(self._connect_timeout_s, self._timeout_s),
            )
            answer = exchange.answer
            data = json_object(answer.content) if answer is not None else None
            if answer is None or answer.status != 200 or data is None:
                raise explain(None)
            return read(data, answer)

        def explain(_exc: Exception | None) -> VODError:
            answer = exchange.answer
            if answer is None:
                return VODError(f"{action} could not be built")
            return rpc_error(
                action,
                answer,
                json_object(answer.content),
                now_s=self._clock.now_s() + self.clock_offset_s,
                with_reference="ReferenceId" in request.get_query_params(),
            )

        try:
            return perform(exchange, run, explain)
        except ClockSkewError as exc:
            if exc.server_time_s is not None:
                self.clock_offset_s = exc.server_time_s - self._clock.now_s()
            raise

    def _role_key(self, place: str, data: dict[str, Any], answer: Answer) -> Credentials:
        return role_key(data, answer, place=place, offset_s=self._offset_s(answer))

    def _offset_s(self, answer: Answer) -> float:
        """Return the server's time minus ours: instants that it tells are compared with our clock from here on."""
        server_s = date_s(answer.headers.get("Date"))
        offset_s = server_s - self._clock.now_s() if server_s is not None else self.clock_offset_s
        return offset_s if abs(offset_s) >= _STEADY_S else 0.0


class SdkVodSession:
    """The control plane with one set of credentials; see `interfaces.VodSession`. Made by `SdkVodApi.open`."""

    def __init__(self, api: SdkVodApi, credentials: Credentials, region: str, base: str) -> None:
        self._api = api
        self._credentials = credentials
        self._region = region
        self._base = base

    def __repr__(self) -> str:
        return f"SdkVodSession({self._base}, {self._credentials!r})"

    def create_upload_video(
        self, metadata: UploadMetadata, *, file_name: str, size_bytes: int, reference_id: str
    ) -> Grant:
        """Create a video or audio asset and get the permission to send its file.

        Args:
            metadata: What VOD is told; already checked.
            file_name: Name with extension; folders are cut off.
            size_bytes: Length of the file, bytes.
            reference_id: Idempotency key, 6 to 64 characters, or "".

        Raises:
            AlreadyExistsError: The reference id was used before.
        """
        request = CreateUploadVideoRequest()
        _fill(
            request,
            **_common(metadata),
            FileName=_base_name(file_name),
            FileSize=size_bytes,
            CoverURL=metadata.cover_url,
            TemplateGroupId=metadata.template_group_id,
            WorkflowId=metadata.workflow_id,
            ReferenceId=reference_id or None,
        )
        return self._grant(request, "VideoId")

    def refresh_upload_video(self, video_id: str) -> Grant:
        """Get a new credential for the same object.

        Raises:
            NotFoundError: Code "Video.Gone": the video was deleted.
        """
        request = RefreshUploadVideoRequest()
        _fill(request, VideoId=video_id)
        return self._grant(request, "VideoId")

    def create_upload_image(self, metadata: UploadMetadata, *, file_name: str) -> Grant:
        """Create an image asset and get the permission to send its file; there is no refresh for images."""
        name = _base_name(file_name)
        extension = posixpath.splitext(name)[1][1:].lower()
        request = CreateUploadImageRequest()
        _fill(
            request,
            **_common(metadata),
            ImageType=metadata.image_type,
            # The parameter has four values; png is what the service assumes for any other.
            ImageExt=extension if extension in _IMAGE_EXTENSIONS else "png",
            OriginalFileName=name,
        )
        return self._grant(request, "ImageId")

    def find_video(self, *, video_id: str = "", reference_id: str = "") -> VideoStatus | None:
        """Look a video up by its id or by its reference id; None when there is none.

        Raises:
            InvalidArgumentError: Neither or both were given.
        """
        if bool(video_id) == bool(reference_id):
            raise InvalidArgumentError("give either video_id or reference_id")
        request = GetVideoInfoRequest()
        _fill(request, VideoId=video_id or None, ReferenceId=reference_id or None)
        try:
            return self._api._call(request, self._credentials, self._region, self._base, video)
        except NotFoundError as exc:
            if exc.code in NOT_FOUND:
                return None
            raise

    def categories_below(self, parent: Category | None = None) -> list[tuple[Category, bool]]:
        """List the categories right below one (None: the root), each with whether it has some below it.

        Source: GetCategories, https://www.alibabacloud.com/help/en/vod/developer-reference/api-vod-2017-03-21-getcategories,
            read 2026-11: at most 100 children, pages of at most 100, the root is -1.
        """
        request = GetCategoriesRequest()
        _fill(request, CateId=parent.cate_id if parent else -1, PageNo=1, PageSize=100)
        return self._api._call(
            request, self._credentials, self._region, self._base, lambda data, _: categories(data, parent)
        )

    def play_url(self, video_id: str) -> str | None:
        """Ask where a video can be watched; None while there is no stream (GetPlayInfo)."""
        request = GetPlayInfoRequest()
        _fill(request, VideoId=video_id)
        try:
            return self._api._call(request, self._credentials, self._region, self._base, lambda data, _: stream(data))
        except VODError as exc:
            if exc.code in _NOTHING_TO_PLAY:
                return None
            raise

    def may(self, action: str) -> bool:
        """Ask whether an action is allowed, by a call that cannot succeed: what it must have is missing or wrong.

        The service judges the right first and the parameters after it, so every other refusal means "allowed".

        Args:
            action: One of `PROBES`, like `vod:CreateUploadVideo`.

        Raises:
            KeysRefusedError: The keys are wrong, which says nothing of rights.
            VODError: No answer, or one that says nothing of rights.
        """
        request, wrong = PROBES[action]
        probe = request()
        _fill(probe, **wrong)
        try:
            self._api._call(probe, self._credentials, self._region, self._base, texts)
        except KeysRefusedError:
            raise
        except AccessDeniedError:
            return False
        except (NotFoundError, RequestRefusedError):
            return True
        return True

    def _grant(self, request: Any, id_name: str) -> Grant:
        action, api = str(request.get_action_name()), self._api
        return api._call(
            request,
            self._credentials,
            self._region,
            self._base,
            lambda data, answer: grant(
                action, data, answer, id_name, now_s=api._clock.now_s(), offset_s=api._offset_s(answer)
            ),
        )


def _base_name(file_name: str) -> str:
    return posixpath.basename(file_name.replace("\\", "/"))


def _common(metadata: UploadMetadata) -> dict[str, Any]:
    """Return what CreateUploadVideo and CreateUploadImage share."""
    return {
        "Title": metadata.title,
        "Description": metadata.description,
        "Tags": ",".join(metadata.tags) or None,
        "CateId": metadata.cate_id,
        "StorageLocation": metadata.storage_location,
        "AppId": metadata.app_id,
        "UserData": metadata.api_user_data,
    }


def _fill(request: Any, **params: Any) -> None:
    """Set the parameters that have a value, by the setter of the typed request where it has one."""
    for name, value in params.items():
        if value is None:
            continue
        setter: Callable[[Any], None] | None = getattr(request, f"set_{name}", None)
        if setter is not None:
            setter(value)
        else:
            request.add_query_param(name, value)
