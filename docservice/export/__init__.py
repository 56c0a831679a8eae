"""What leaves the service as files, and comes back from them."""
