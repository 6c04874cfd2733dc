"""The headers `RateLimit-Policy` and `RateLimit` of draft-ietf-httpapi-ratelimit-headers-10.

A policy is named by the seconds of its window. Its unit is a photo: a request with three takes
three.
"""

import math
from collections.abc import Sequence

from bot.access import Quota


def headers(quotas: Sequence[Quota]) -> dict[str, str]:
    """Return the headers; what is left is not said where only a database knows it."""
    if not quotas:
        return {}
    policies = ", ".join(
        f"{_name(one)};q={one.photos};w={math.ceil(one.seconds)}" for one in quotas
    )
    left = ", ".join(
        f"{_name(one)};r={one.left.photos};t={math.ceil(one.left.seconds)}"
        for one in quotas
        if one.left
    )
    return {"RateLimit-Policy": policies, **({"RateLimit": left} if left else {})}


def _name(quota: Quota) -> str:
    return f'"{quota.seconds:g}s"'
