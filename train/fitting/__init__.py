"""What fits a network: its start, its steps, and how each epoch is validated."""
