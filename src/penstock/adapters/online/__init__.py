"""The newest values of features: in a SQLite file, or in Redis or Valkey."""
