"""HERMES Live: bounded streaming memory for video language models, served.

`hermes.memory` is the memory, `hermes.vlm` puts it under an unmodified
Hugging Face model, `hermes.engine` runs many of them on one device, and
`hermes.client` asks a running deployment questions.
"""

__version__ = "0.1.0"
