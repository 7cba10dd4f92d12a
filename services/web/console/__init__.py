"""The console: web pages for people, at `/`. They use the REST API, and nothing else."""

from services.web.console.pages import router

__all__ = ["router"]
