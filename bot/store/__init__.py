"""What outlives a restart: the inbox and the settings of each chat, in SQLite files."""
