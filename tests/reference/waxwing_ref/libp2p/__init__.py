"""As much of libp2p as docs/spec/05-transport.md asks for over TCP."""
