"""Credentials: found in the environment and in profile files, given in code, or an emulator's.

`resolve` gives a provider, `find_profiles` what can be chosen, `explain` the search in words. Floor 2: imports floor 0
only (the emulator on first use); STS is called through a function that is passed in. Any thread.
"""

from .endpoint import endpoint_from_env
from .policies import policy_path, upload_actions
from .profile import Explanation, Notice, Profile, Step
from .remote import Metadata
from .resolve import AssumeRole, explain, find_profiles, keeps_lease, resolve
from .taking import hidden

__all__ = [
    "AssumeRole",
    "Explanation",
    "Metadata",
    "Notice",
    "Profile",
    "Step",
    "endpoint_from_env",
    "explain",
    "find_profiles",
    "hidden",
    "keeps_lease",
    "policy_path",
    "resolve",
    "upload_actions",
]
