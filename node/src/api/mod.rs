//! The local API: HTTP on loopback and a Unix socket.
