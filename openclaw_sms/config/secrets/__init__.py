"""References to secrets that are kept elsewhere: what they look like, who supplies them, how they are looked up.

`reference` is the value, `providers` says who answers for it, `environment`, `files`, `programs` and `store` are the
four sources, and `resolver` looks references up and remembers for a while. A looked-up value is handed to its caller
and to nothing else: no error, no log line and no repr of this package holds one.

Nothing is imported here, so that reading a document needs no more than `reference` and `providers`.
"""
