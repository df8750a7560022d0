"""A client of the service in a process of its own, for ``send`` and ``sendmail``.

It knows the address of the service and an API key. Neither settings nor the application may enter:
cron and PHP start it for each email. For the same reason its values are named tuples.
"""
