"""The database port, its drivers, their errors and their activity."""
