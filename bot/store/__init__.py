"""What must outlive a restart: the inbox and each chat's settings, in SQLite files."""
