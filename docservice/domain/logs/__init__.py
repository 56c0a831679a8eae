"""The models of Kolibri's logger, what embeds what, and how a whole log is built and checked."""
