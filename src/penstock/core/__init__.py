"""Words every part shares: ids, digests, durations, the clock, errors, events."""
