"""How programs of projects are kept apart from the home: not at all, as another user, or in a container."""
