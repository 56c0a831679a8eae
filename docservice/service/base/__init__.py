"""What both halves of the service stand on: the connection, actions, the clock, progress."""
