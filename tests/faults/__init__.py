"""What may happen to a gateway, done to real processes; afterwards the books are checked."""
