"""Whole documents: backup, restore, merging, verification."""
