"""The notifier: sends messages about events to Alertmanager, webhooks and MQTT."""
