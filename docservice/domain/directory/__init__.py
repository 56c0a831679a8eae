"""People, classes, assignments and content, and who may see and change what."""
