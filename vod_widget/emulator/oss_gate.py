"""Who may do what to which bucket and object.

What lives here: `Gatekeeper`, which weighs the key's own policies, the policy of the bucket, its ACL, and who pays. It
imports `bucket_policy`, `oss_access`, `oss_names`, `oss_rights`, `storage`; called under the lock of `Cloud`.

Theory: a Deny of the bucket's policy ends it. A key of the bucket's account needs an Allow of its own policies or, if
it is not temporary, of the bucket's. A key of another account needs both its own policies and something of the bucket
that lets it in: the policy, or an ACL that lets everyone in. Nobody in particular needs the latter.

Source: OSS "Bucket Policy", "Overview of access control", "Pay-by-requester".
"""

from __future__ import annotations

from vod_widget.emulator import bucket_policy, oss_access
from vod_widget.emulator.errors import OssError, access_denied
from vod_widget.emulator.objects import Bucket
from vod_widget.emulator.oss_names import OF_VERSIONS, OssRequest
from vod_widget.emulator.oss_rights import RIGHTS
from vod_widget.emulator.oss_settings import shown
from vod_widget.emulator.storage import ObjectStore
from vod_widget.emulator.tokens import Key

PAYER = "x-oss-request-payer"


class Gatekeeper:
    """Judge requests by who sends them.

    Args:
        store: The buckets.
        account_id: Owner of those that say no other.
        region: Where they are.
    """

    def __init__(self, store: ObjectStore, account_id: str, region: str) -> None:
        self._store = store
        self._account_id = account_id
        self._region = region

    def owner_of(self, bucket: Bucket) -> str:
        """Return the account of a bucket."""
        return bucket.owner_id or self._account_id

    def foreign(self, key: Key) -> str:
        """Return the account of a key as a bucket writes it down: "" for the cloud's own."""
        return "" if key.account_id == self._account_id else key.account_id

    def check(self, key: Key | None, operation: str, request: OssRequest) -> None:
        """Raise unless a key, or nobody in particular, may do this.

        Raises:
            OssError: AccessDenied, NotImplemented for what has no right, NoSuchBucket for nobody in particular.
        """
        bucket = self._store.find_bucket(request.bucket) if request.bucket else None
        if bucket is not None:
            self._check_payer(key, bucket, request)
        if operation == "DeleteMultipleObjects" and key is not None:
            return  # each object is asked for when the list is there
        right = (OF_VERSIONS if "versionId" in request.params else RIGHTS).get(operation, "")
        owner_id = self.owner_of(bucket) if bucket else self._account_id
        resource = f"acs:oss:{self._region}:{owner_id}:{request.bucket}"
        resource += f"/{request.key}" if request.key else ""
        said = self._rule(key, bucket, right, resource)
        if said is False:
            raise access_denied("Access denied by bucket policy.")
        if key is None:
            if said:
                oss_access.check_plain(request)
            else:
                oss_access.check_anonymous(operation, request, self._store)
            return
        if not right:
            raise OssError(400, "NotImplemented", f"A request that you provided is not implemented: {operation}.")
        is_owner = bucket is None or key.account_id == owner_id
        if not key.may(right, resource) and not (is_owner and said and not key.temporary):
            raise access_denied("Access denied by authorizer's policy.", ec="0003-00000301")
        if not is_owner and not said and operation != "PutBucket":
            oss_access.check_acl(operation, request, self._store)

    def _rule(self, key: Key | None, bucket: Bucket | None, right: str, resource: str) -> bool | None:
        text = bucket.settings.get("policy") if bucket else None
        if bucket is None or not text or not right:
            return None
        if key is None and oss_access.is_closed(bucket, self._store):
            return False
        return bucket_policy.parse(text).rule(key, self.owner_of(bucket), right, resource)

    def _check_payer(self, key: Key | None, bucket: Bucket, request: OssRequest) -> None:
        if key is not None and key.account_id == self.owner_of(bucket):
            return
        if shown(bucket, "requestPayment", "Payer") != "Requester":
            return
        says = request.headers.get(PAYER) or request.param(PAYER)
        if key is None or says != "requester":
            raise access_denied("Access denied for requester pay bucket.")
