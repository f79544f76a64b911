"""HTTP, and whom it may speak to."""
