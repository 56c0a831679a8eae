"""Reports: what they say, and the rules that make their rows of logs."""
