"""Fit, evaluate and compare captioners offline; nothing that serves imports it."""
