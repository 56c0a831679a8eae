"""The `docservice` command, one file a command group."""
