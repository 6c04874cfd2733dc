"""The adapter for Discord: from its connection to the last reply."""
