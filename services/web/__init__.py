"""The HTTP door: an OpenAI-compatible API, REST, server-sent events and MCP.

A client of the gateway. Each call carries the caller's own token on, so what a
caller may do and see is the gateway's to decide.
"""
