//! What a node does for others beside being somebody's own.

use std::str::FromStr;

/// Roles, each switched on by itself; a person's node has none.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Roles {
    /// Carries connections between nodes that cannot reach each other, and tells nodes whether they
    /// can be reached from outside.
    pub relay: bool,
    /// Keeps sealed blocks for whoever is away.
    pub mailbox: bool,
    /// Hands sealed boxes on to other bridges.
    pub forward: bool,
    /// Keeps signed records of the directory.
    pub dht: bool,
}

impl Roles {
    /// Names of the roles that are switched on.
    pub fn names(self) -> Vec<&'static str> {
        let all = [
            (Role::Relay, self.relay),
            (Role::Mailbox, self.mailbox),
            (Role::Forward, self.forward),
            (Role::Dht, self.dht),
        ];
        let on = all.into_iter().filter(|(_, on)| *on);
        on.map(|(role, _)| role.name()).collect()
    }

    /// Switches one on.
    pub fn with(mut self, role: Role) -> Self {
        match role {
            Role::Relay => self.relay = true,
            Role::Mailbox => self.mailbox = true,
            Role::Forward => self.forward = true,
            Role::Dht => self.dht = true,
        }
        self
    }
}

/// One role.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Role {
    /// [`Roles::relay`].
    Relay,
    /// [`Roles::mailbox`].
    Mailbox,
    /// [`Roles::forward`].
    Forward,
    /// [`Roles::dht`].
    Dht,
}

impl Role {
    /// As it is written.
    pub fn name(self) -> &'static str {
        match self {
            Self::Relay => "relay",
            Self::Mailbox => "mailbox",
            Self::Forward => "forward",
            Self::Dht => "dht",
        }
    }
}

impl FromStr for Role {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let all = [Self::Relay, Self::Mailbox, Self::Forward, Self::Dht];
        all.into_iter().find(|role| role.name() == text).ok_or(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_role_is_read_as_it_is_written() {
        let all = Roles::default()
            .with(Role::Relay)
            .with(Role::Mailbox)
            .with(Role::Forward)
            .with(Role::Dht);
        assert_eq!(all.names(), ["relay", "mailbox", "forward", "dht"]);
        for name in all.names() {
            let role: Role = name.parse().unwrap();
            assert_eq!(Roles::default().with(role).names(), [name]);
        }
        assert!("bridge".parse::<Role>().is_err());
        assert!(Roles::default().names().is_empty());
    }
}
