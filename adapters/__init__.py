"""Where the outside world is met, one vendor a sub-room. No decisions."""
