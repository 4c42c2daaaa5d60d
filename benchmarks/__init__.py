"""Speed, side by side with a limit or a peer in one run."""
