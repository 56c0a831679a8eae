"""Reads lists of logs within a scope."""
