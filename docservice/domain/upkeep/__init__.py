"""Rules that check, compare and repair stored documents."""
