"""Other vendors' APIs at the root of our HTTP server: apps that speak one send through us.

`dialect` says what a dialect is, `shipped` which there are. Each is one module.
"""
