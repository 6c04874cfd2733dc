"""The headers `RateLimit-Policy` and `RateLimit` of draft-ietf-httpapi-ratelimit-headers-10.

A policy is named by the seconds of its window. Its unit is a photo: a request with three takes
three.
"""

import math
from collections.abc import Sequence

from bot.access import Quota
from bot.rates import Left


def headers(quotas: Sequence[Quota]) -> dict[str, str]:
    """Return the headers; `RateLimit` is left out if only a database knows what is left."""
    if not quotas:
        return {}
    policies = ", ".join(
        f"{_name(one)};q={one.photos};w={math.ceil(one.seconds)}" for one in quotas
    )
    left = ", ".join(f"{_name(one)}{_left(one.left)}" for one in quotas if one.left)
    return {"RateLimit-Policy": policies, **({"RateLimit": left} if left else {})}


def _left(left: Left) -> str:
    again = f";t={math.ceil(left.seconds)}" if left.seconds > 0 else ""
    return f";r={left.photos}{again}"


def _name(quota: Quota) -> str:
    return f'"{quota.seconds:g}s"'
