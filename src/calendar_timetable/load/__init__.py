"""How full pools get: what runs ask for, who waits, what was used. Plain numbers, no I/O."""
