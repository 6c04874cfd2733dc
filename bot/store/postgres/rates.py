"""Counts photos towards the rates of several bots together."""

from collections.abc import Sequence
from typing import LiteralString

import structlog

from bot.rates import Limit, Spend
from bot.store.errors import DatabaseError
from bot.store.postgres.database import Database

log = structlog.stdlib.get_logger(__name__)

SPEND: LiteralString = (
    "SELECT captioner_spend(%(names)s::text[], %(amounts)s::integer[], "
    "%(seconds)s::double precision[], %(photos)s::integer)"
)


def shared(database: Database, alone: Spend) -> Spend:
    """Return a function that counts photos in a database, one statement a decision.

    Args:
        database: counts for all bots.
        alone: counts for this bot while the database cannot be used. Each bot then allows as much
            as all of them should together, which is better than refusing everyone.
    """

    async def spend(limits: Sequence[Limit], photos: int) -> float:
        names, amounts, seconds = map(list, zip(*limits, strict=True))
        values = {"names": names, "amounts": amounts, "seconds": seconds, "photos": photos}
        try:
            [(wait,)] = await database.run(SPEND, values)
        except DatabaseError as error:
            log.warning("photos are counted by this bot alone", reason=str(error))
            return await alone(limits, photos)
        return float(wait)

    return spend
