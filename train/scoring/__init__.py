"""What captions are worth."""
