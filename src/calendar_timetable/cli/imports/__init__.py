"""Rules of other schedulers, read and written as Python with this package."""
