"""Ways to tell somebody something: signed webhooks, and what the Apprise library knows."""
