"""The rules of progress tracking: content sessions, interactions, mastery, progress."""
