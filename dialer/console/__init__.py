"""The pages: server-rendered, live by WebSocket, in Russian and English."""
