"""What outlives a restart: the inbox and the settings of each chat, in sqlite or in PostgreSQL."""
