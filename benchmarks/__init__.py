"""Side by side with the peers: how fast, how small, and whether the bars are met."""
