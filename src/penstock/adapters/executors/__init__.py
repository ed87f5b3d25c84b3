"""Worker processes that run steps in the environment of their release."""
