"""What an adapter raises when its platform cannot be served."""


class PlatformError(RuntimeError):
    """A platform cannot be reached or refuses; the message tells the operator what to do."""
