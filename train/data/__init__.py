"""Datasets, their layouts and downloads, and the batches made from them."""
