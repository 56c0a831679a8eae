"""What both halves of the service use: the connection, actions, the clock, progress."""
