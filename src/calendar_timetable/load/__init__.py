"""How much runs at once, and where there is room: arithmetic on plain numbers."""
