"""The REST API, `/api/v1/`: the doors of programs. A view checks, asks the layers below, tells in `wire`'s form.

One module a subject; `base` is what all views share, `shapes` the form of requests and answers as the schema has it.
A token that is restricted to an account sees no other: what is not its account's is not there (404).
"""
