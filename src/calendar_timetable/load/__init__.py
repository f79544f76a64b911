"""How full pools get, and where there is room: arithmetic on plain numbers, no database."""
