"""The gateway as tools for agents that speak MCP, over stdin and stdout. See `manage.py mcp`."""
