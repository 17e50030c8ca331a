"""Access keys, STS tokens and who may do what.

What lives here: `KeyRing`, the only owner of secrets in the emulator. It imports `book`, `clock`,
`policy`; every call happens under the lock of `Cloud`. Secrets never appear in a repr.

Theory: a `Key` is long-lived (a RAM user's or the root account's) or temporary (issued by
AssumeRole, or inside an UploadAuth). A temporary key lives by `Clock.age_s`, has one security
token, and a stack of policies which must all allow what it does.
"""

from __future__ import annotations

import base64
import random
import string
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Literal

from vod_widget.emulator.book import Book, NoBook
from vod_widget.emulator.clock import Clock
from vod_widget.emulator.policy import Policy, all_allow

Kind = Literal["user", "root", "role", "upload"]

_ALNUM = string.ascii_letters + string.digits
# For each byte one of them.
_TO_ALNUM = bytes(ord(_ALNUM[byte % len(_ALNUM)]) for byte in range(256))

# Real long-lived keys start so; the emulator neither takes nor makes them (a person who pastes
# a real key into the emulator's settings has made a mistake and should hear of it).
REAL_KEY_PREFIX = "LTAI"
REAL_KEY_WARNING = " It looks real: never send real keys to an emulator; use the keys that it made up for you."


def looks_real(access_key_id: str) -> bool:
    """Tell whether an access key id has the form of a real long-lived key."""
    return access_key_id.upper().startswith(REAL_KEY_PREFIX)


@dataclass
class Key:
    """One access key, with what it may do."""

    access_key_id: str
    access_key_secret: str = field(repr=False)
    kind: Kind
    security_token: str = field(default="", repr=False)
    expires_age_s: float | None = None
    """When it dies on `Clock.age_s`; None for long-lived keys."""
    policies: tuple[Policy, ...] = ()
    """All must allow; none at all means every right of the account."""
    arn: str = ""
    principal_id: str = ""
    media_id: str = ""
    """The one media of an UploadAuth's key."""
    active: bool = True

    @property
    def account_id(self) -> str:
        """Return whose it is."""
        return self.arn.split(":")[3]

    @property
    def temporary(self) -> bool:
        """Tell whether it needs its security token and dies."""
        return self.expires_age_s is not None

    def may(self, action: str, resource: str = "*") -> bool:
        """Tell whether the key's policies allow an action on a resource."""
        return all_allow(self.policies, action, resource)


class KeyRing:
    """Issue keys, find them, let them expire.

    Args:
        clock: Ages temporary keys.
        rng: Source of ids and secrets; `random.SystemRandom` outside of simulations.
        account_id: The account of the keys that are of no other.
        book: Where keys are written down.
    """

    def __init__(self, clock: Clock, rng: random.Random, account_id: str, book: Book | None = None) -> None:
        self._clock = clock
        self._rng = rng
        self._account_id = account_id
        self._book = book or NoBook()
        self._keys: dict[str, Key] = {}

    def __repr__(self) -> str:
        return f"<KeyRing keys={len(self._keys)}>"

    def random_text(self, length: int) -> str:
        """Return letters and digits."""
        # One draw: SystemRandom asks the kernel for each. A slight bias does not matter to keys of an emulator.
        return self._rng.randbytes(length).translate(_TO_ALNUM).decode("ascii")

    def random_hex(self, length: int) -> str:
        """Return lower-case hex digits."""
        return f"{self._rng.getrandbits(4 * length):0{length}x}"

    def add_user(
        self,
        *,
        access_key_id: str = "",
        access_key_secret: str = "",
        root: bool = False,
        name: str = "uploader",
        account_id: str = "",
        policies: Iterable[Policy] = (),
    ) -> Key:
        """Make a long-lived key of a RAM user, or of the root account; of another account when one is named.

        Raises:
            ValueError: The id looks like a real key (LTAI...).
        """
        if looks_real(access_key_id):
            raise ValueError(
                f"an access key id that starts with {REAL_KEY_PREFIX} looks real; "
                "the emulator takes only made-up keys, for example EMU..."
            )
        owner = "root" if root else f"user/{name}"
        key = Key(
            access_key_id or f"EMU{self.random_text(17)}",
            access_key_secret or self.random_text(30),
            "root" if root else "user",
            policies=tuple(policies),
            arn=f"acs:ram::{account_id or self._account_id}:{owner}",
            principal_id=(account_id or self._account_id) if root else f"2{self._rng.randrange(10**17):017d}",
        )
        self.put_back(key)
        self._book.put("key", key.access_key_id, key)
        return key

    def put_back(self, key: Key) -> None:
        """Take a key that was made before."""
        self._keys[key.access_key_id] = key

    def issue(
        self,
        *,
        kind: Literal["role", "upload"],
        ttl_s: float,
        policies: Iterable[Policy],
        arn: str,
        principal_id: str,
        media_id: str = "",
    ) -> Key:
        """Make a temporary key with its token.

        Args:
            kind: By AssumeRole, or for one upload.
            ttl_s: Seconds it lives, by the ageing clock.
            policies: All must allow.
            arn: Who it is, for GetCallerIdentity.
            principal_id: The same as an id.
            media_id: The media of an upload key.
        """
        noise = self._rng.getrandbits(8 * 300).to_bytes(300, "big")
        key = Key(
            f"STS.N{self.random_text(24)}",
            self.random_text(44),
            kind,
            security_token="CAIS" + base64.b64encode(noise).decode("ascii"),
            expires_age_s=self._clock.age_s() + ttl_s,
            policies=tuple(policies),
            arn=arn,
            principal_id=principal_id,
            media_id=media_id,
        )
        self.put_back(key)
        self._book.put("key", key.access_key_id, key)
        return key

    def find(self, access_key_id: str) -> Key | None:
        """Return the key, alive or not; None when it never existed."""
        return self._keys.get(access_key_id)

    def is_known_token(self, security_token: str) -> bool:
        """Tell whether any key, alive or not, has this token."""
        return any(key.security_token == security_token for key in self._keys.values() if key.temporary)

    def is_expired(self, key: Key) -> bool:
        """Tell whether a temporary key has outlived its time."""
        return key.expires_age_s is not None and self._clock.age_s() >= key.expires_age_s

    def expire_now(self, access_key_id: str) -> bool:
        """Let a temporary key die at once; False when there is no such key."""
        key = self._keys.get(access_key_id)
        if key is None or not key.temporary:
            return False
        key.expires_age_s = self._clock.age_s()
        self._book.put("key", key.access_key_id, key)
        return True

    def forget_temporary(self) -> None:
        """Drop every issued key; the long-lived ones stay, and are written down again."""
        self._keys = {k: v for k, v in self._keys.items() if not v.temporary}
        for key in self._keys.values():
            self._book.put("key", key.access_key_id, key)
