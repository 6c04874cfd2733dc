"""Training a network: its initial weights, optimization, epochs, rewards and validation."""
