"""What callers get: types of answers."""
