"""Valid files of every format, damaged at random: flipped bits, cuts, splices, wrong lengths."""

import random
from collections.abc import Iterator, Mapping

from tests.pictures import VALID

NEAR = 300  # bytes in which most formats keep their headers
LENGTHS = (0, 1, 2, 0x7F, 0x80, 0xFF, 0x7FFF, 0xFFFF, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF)


def mutants(
    count: int, seed: int = 0, valid: Mapping[str, bytes] = VALID
) -> Iterator[tuple[str, bytes]]:
    """Yield `count` files with their names, made of valid ones; a seed always gives the same."""
    for number in range(count):
        chance = random.Random(f"{seed}, {number}")
        name = chance.choice(sorted(valid))
        data = valid[name]
        for _ in range(chance.randint(1, 4)):
            data = _mutate(data, chance, valid)
        yield f"{name}, mutant {number}", data


def _mutate(data: bytes, chance: random.Random, valid: Mapping[str, bytes]) -> bytes:
    end = min(NEAR, len(data)) if chance.random() < 0.5 else len(data)
    place = chance.randrange(end + 1)
    match chance.choice(("flip", "cut", "truncate", "splice", "repeat", "length")):
        case "flip":
            bit = 1 << chance.randrange(8)
            flipped = bytes(byte ^ bit for byte in data[place : place + 1])
            return data[:place] + flipped + data[place + 1 :]
        case "cut":
            return data[:place] + data[place + chance.randint(1, 64) :]
        case "truncate":
            return data[: chance.randrange(len(data) + 1)]
        case "splice":
            other = valid[chance.choice(sorted(valid))]
            start = chance.randrange(len(other))
            return data[:place] + other[start : start + chance.randint(1, 256)] + data[place:]
        case "repeat":
            return data[: place + chance.randint(1, 64)] + data[place:]
        case _:
            width = chance.choice((1, 2, 4))
            value = chance.choice(LENGTHS) % 256**width
            new = value.to_bytes(width, chance.choice(("big", "little")))
            return data[:place] + new + data[place + width :]
