"""A photo becomes a sentence: `Captioner` reads photos, and says what is in them."""

from captioner.batching import Busy
from captioner.captioner import Caption, Captioner
from captioner.decoding import Options
from captioner.image import BadImage

__all__ = ["BadImage", "Busy", "Caption", "Captioner", "Options"]
