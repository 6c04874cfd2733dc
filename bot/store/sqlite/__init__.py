"""The store of one bot: SQLite files in the folder DATA_DIR."""
