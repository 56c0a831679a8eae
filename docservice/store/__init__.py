"""Documents in MongoDB: the only package (but for the engine's account) that knows PyMongo and BSON."""
