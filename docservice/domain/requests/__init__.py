"""Types of requests: bodies, filters and pages, each checked when it is read."""
