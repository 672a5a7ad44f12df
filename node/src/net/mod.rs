//! The network: libp2p, one frame stream per connection.
