"""Generated from protos/hermes/v1 by `make protos`. Do not edit."""
