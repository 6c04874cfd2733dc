"""The store that several bots share: a PostgreSQL database, by DATABASE_URL."""
