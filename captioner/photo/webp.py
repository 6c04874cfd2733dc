"""The chunks of a WebP, so that an animation that is cut off can be read up to there."""

# A file begins with RIFF, its length after these eight bytes, and WEBP; then come chunks, each four
# letters, a length, and as many bytes, filled up to an even number (RFC 9649).
HEAD = 12
CHUNK = 8


def whole(data: bytes) -> bytes:
    """Return a WebP without the chunk in which it is cut off; one that is not stays as it is."""
    end = HEAD
    while end + CHUNK <= len(data):
        length = int.from_bytes(data[end + 4 : end + CHUNK], "little")
        following = end + CHUNK + length + length % 2
        if following > len(data):
            break
        end = following
    if end in (HEAD, len(data)):
        return data
    return data[:4] + (end - CHUNK).to_bytes(4, "little") + data[CHUNK:end]
