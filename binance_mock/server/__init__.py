"""The exchange on the network: REST, market streams, WebSocket API and the control surface, served by aiohttp."""
