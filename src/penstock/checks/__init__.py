"""Questions about numbers: the one word behind validation, gates, rollout guards and alarms."""
