"""A captioner on another machine: what is sent, what comes back, and when to stop asking."""
