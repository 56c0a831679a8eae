"""Runs the REST application as a server: the listener, worker processes, log formats."""
