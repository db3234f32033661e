"""The durable way of a text through the gateway: inbox, turn, outbox, delivery, and the worker that moves them."""
