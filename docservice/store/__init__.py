"""Documents in MongoDB: the only package (but for the engine's account) that uses PyMongo and BSON."""
