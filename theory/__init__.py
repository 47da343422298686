"""What is claimed: settings, claims and their sources, in symbols only."""
