"""Types of answers to callers."""
