"""HTTP, and which addresses it may be sent to."""
