"""Reads for reports: the logs of some people and contents, and what the directory calls them."""
