"""The gateway's use cases, independent of frameworks; REST, gRPC and the WebSocket translate to and from them."""
