"""Steps on the machines of a Ray cluster: Ray places them, worker processes there run them."""
