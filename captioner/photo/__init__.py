"""Decodes the bytes of a photo to pixels, in separate processes: anyone may send any file."""
