"""The commands of `docservice`, one module for each command or group of commands."""
