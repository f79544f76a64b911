"""RFC 5545: text in, occurrences out."""
