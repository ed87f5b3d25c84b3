"""Technology behind the ports, a room for each."""
