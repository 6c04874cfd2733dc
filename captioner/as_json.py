"""A caption as JSON: what the bot's API and `python -m captioner --json` both say of a photo."""

from typing import Any

from captioner.result import Caption
from captioner.wording import worded


def as_json(caption: Caption) -> dict[str, Any]:
    """Return what is said about a photo, and what it is said from; `docs/api.md` explains it.

    Probabilities have four decimals.
    """
    said = worded(caption)
    return {
        "caption": caption.text,
        "language": caption.language,
        "text": said.text,
        "doubt": said.aside,
        "alt_text": said.alt_text,
        "confidence": round(caption.confidence, 4),
        "unfamiliar": caption.out_of_distribution,
        "objects": [
            {"name": one.said, "confidence": round(one.confidence, 4)} for one in caption.objects
        ],
        "alternatives": [
            {"caption": other.text, "confidence": round(other.confidence, 4)}
            for other in caption.alternatives
        ],
    }
