"""Indexes, views and shard keys, described in files."""
