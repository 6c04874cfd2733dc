"""`/api/`: captions for the page and for other programs, from a request to its answer."""
