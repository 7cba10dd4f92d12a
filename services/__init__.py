"""The processes of HERMES Live.

A service imports `hermes` and `services.common`, never another service: they
meet in protos/ and in Redis.
"""
