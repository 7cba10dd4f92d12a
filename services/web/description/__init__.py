"""What the API is, for programs (OpenAPI) and for people (a page without scripts)."""
