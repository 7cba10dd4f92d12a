"""How the demo model is trained: `python -m hermes.demo.train`."""
