"""Train the classic variants of the captioner, and compare them on one page."""
