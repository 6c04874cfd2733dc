"""The web chat: its page, its API, and who may use them."""
