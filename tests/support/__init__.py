"""What several tests use: looking at documents as a person at the Mongo shell would."""
