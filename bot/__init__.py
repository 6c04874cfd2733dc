"""Chat platforms around one captioner: Telegram, Discord and a web chat."""
