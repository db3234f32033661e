"""Who may talk: the pure policy, pairing, and the trail of who decided. Texts nobody."""
