"""`/v1/`: captions for programs that speak OpenAI's API."""
