"""The sinks, made from what their file says."""

from __future__ import annotations

from services.notifier.alertmanager import Alertmanager
from services.notifier.numbers import Numbers
from services.notifier.remembered import Remembered
from services.notifier.sink import Sink
from services.notifier.sink_config import AlertmanagerConfig, WebhookConfig
from services.notifier.sinks_file import OneSink
from services.notifier.webhook import Webhook


def make_sink(config: OneSink, remembered: Remembered, numbers: Numbers) -> Sink:
    """The sink of a configuration. Raises `UnusableFile`."""
    if isinstance(config, AlertmanagerConfig):
        return Alertmanager(config, remembered)
    if isinstance(config, WebhookConfig):
        return Webhook(config)
    from services.notifier.mqtt import Mqtt  # its library is needed by this kind alone

    return Mqtt(config, remembered, numbers)
