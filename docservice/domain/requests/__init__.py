"""What callers send: types of request bodies, filters and pages, each checked when it is read."""
