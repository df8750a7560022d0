"""The schema's history: numbered files that Peewee's Runner applies in order, never edited again.

A migration runs on a filled database, inside one transaction with all that are pending.
"""
