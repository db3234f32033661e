"""Signatures over what we post to programs, as Standard Webhooks prescribes. Knows no row and no Django."""
