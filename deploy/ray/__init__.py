"""The captioner on a cluster of Ray."""
