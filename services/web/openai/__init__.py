"""The OpenAI-compatible API: chat completions about cameras."""
