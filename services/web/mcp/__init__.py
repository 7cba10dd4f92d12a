"""The Model Context Protocol: cameras as tools and resources of an agent."""
