"""What the tests share: clips, models and independent computations."""
