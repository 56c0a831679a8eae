"""Reads and writes the directory: records, people, the content tree."""
