"""The demonstration: a real model, registry, model server, traffic, mail server and webhook receiver.

Nothing here imports `tocsin`. The demonstration stands outside and sees what any outsider sees: the public
API, the registry, the mailbox, the decisions served. A model server uses `tocsin_sdk` and nothing else.
"""
