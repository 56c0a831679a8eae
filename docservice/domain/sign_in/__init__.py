"""Rules of signing in: passwords of a Kolibri, sessions known by a cookie, links that are good for one use."""
