"""Passwords, sessions, links and wrong tries, as documents."""
