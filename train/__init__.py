"""Fit, evaluate and compare captioners offline; the captioner and the bot never import it."""
