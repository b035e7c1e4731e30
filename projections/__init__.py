"""What domain events add up to: pure folds into rows. No driver, no clock."""
