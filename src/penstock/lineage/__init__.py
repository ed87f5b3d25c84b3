"""The metadata store: what made what, who decided it, and why."""
