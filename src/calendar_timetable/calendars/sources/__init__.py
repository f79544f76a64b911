"""Where the bytes of calendars come from."""
