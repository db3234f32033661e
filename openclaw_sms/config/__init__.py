"""Where an account's settings come from: its row, the environment, a default."""
