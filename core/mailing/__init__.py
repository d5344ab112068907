"""Letters on their way: the outbox, what they say, and the dialogue with the mail server."""
