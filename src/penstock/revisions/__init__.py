"""Source control: sees a commit and turns it into a reviewed revision."""
