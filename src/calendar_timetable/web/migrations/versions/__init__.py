"""One step each, in the order of ``down_revision``."""
