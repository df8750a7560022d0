"""SMTP submission: an app that can only send by SMTP is given this service as its mail server.

Everything but `connection` and `listener` is free of sockets and threads.
"""
