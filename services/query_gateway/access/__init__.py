"""Who may call the gateway, for which cameras, how often; and a record of it."""
