"""Calendars: feed bytes in, occurrences and spans out. All reading and all distrust is here."""
