"""The command `python -m captioner PHOTO...`."""
