"""Captions in other languages than the checkpoint's: one decoder for all of them."""
