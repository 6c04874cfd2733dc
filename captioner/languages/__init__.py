"""Captions in other languages than the checkpoint's, from the same encoder."""
