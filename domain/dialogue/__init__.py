"""The SMTP dialogue of a client without input or output: replies in, commands out.

A driver writes what a machine gives it and feeds back each reply. The driver owns the connection,
the deadlines and the redaction; the order of the commands and what a reply changes stand here.
"""
