"""The newest values of features: in a SQLite file."""
