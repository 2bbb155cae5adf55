"""What the gateway can do, free of frameworks; each door translates to and from these."""
