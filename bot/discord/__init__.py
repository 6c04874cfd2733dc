"""Discord: from the connection to the last reply."""
