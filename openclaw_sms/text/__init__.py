"""Numbers, plain text and segments: what can be said about a text without a database, Django or Twilio."""
