"""The rules: what a learner log is and how an action changes it. No IO, no clock, no randomness."""
