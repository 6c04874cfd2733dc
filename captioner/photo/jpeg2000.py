"""What Pillow does not read of a JPEG 2000: how far it can be scaled, and its colour profile."""

import struct

SIZES, CODING = b"\xff\x51", b"\xff\x52"  # markers of ISO/IEC 15444-1, annex A
NEAR = 2**16  # bytes in which the main header begins; metadata comes later
PROFILE = 2  # the method of a `colr` box that holds a profile


def halvings(data: bytes) -> int:
    """Return how often a picture can be halved in decoding: it is stored as a pyramid."""
    sizes = data.find(b"\xff\x4f" + SIZES, 0, NEAR)
    place = data.find(CODING, sizes, sizes + NEAR) if sizes >= 0 else -1
    # After the marker: a length, three bytes about the order, and the levels of the pyramid.
    return data[place + 9] if 0 <= place < len(data) - 9 else 0


def components(data: bytes) -> int:
    """Return how many components, such as red, a picture has; 0 if the file does not say."""
    sizes = data.find(b"\xff\x4f" + SIZES, 0, NEAR)
    if not 0 <= sizes < len(data) - 42:
        return 0
    (count,) = struct.unpack_from(">H", data, sizes + 40)
    return int(count)


def profile(data: bytes) -> bytes | None:
    """Return the colour profile of a JP2 file, or None."""
    place = data.find(b"colr" + bytes([PROFILE]), 0, NEAR)
    if place < 4:
        return None
    (length,) = struct.unpack_from(">I", data, place - 4)
    return bytes(data[place + 7 : place - 4 + length])
