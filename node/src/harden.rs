//! What the operating system can do to keep this process's memory to itself.

use rustix::process::{Resource, Rlimit, setrlimit};

/// No core dumps, and on Linux no other process of the same user may read this one's memory. Keys
/// lie in memory while a node runs; a crash must not copy them to a disk. Best effort: a system
/// that refuses is told to the log and changes nothing else.
pub fn harden() {
    let none = Rlimit {
        current: Some(0),
        maximum: Some(0),
    };
    if setrlimit(Resource::Core, none).is_err() {
        tracing::warn!("core dumps cannot be switched off");
    }
    #[cfg(any(target_os = "linux", target_os = "android"))]
    if rustix::process::set_dumpable_behavior(rustix::process::DumpableBehavior::NotDumpable)
        .is_err()
    {
        tracing::warn!("this process's memory cannot be hidden from others of the same user");
    }
}

/// Whether [`harden`] did what it is for.
pub(crate) fn is_hardened() -> bool {
    let no_core = rustix::process::getrlimit(Resource::Core).current == Some(0);
    #[cfg(any(target_os = "linux", target_os = "android"))]
    let hidden = rustix::process::dumpable_behavior()
        .is_ok_and(|how| how == rustix::process::DumpableBehavior::NotDumpable);
    #[cfg(not(any(target_os = "linux", target_os = "android")))]
    let hidden = true;
    no_core && hidden
}

#[cfg(test)]
mod tests {
    #[test]
    #[cfg(target_os = "linux")]
    fn a_hardened_process_leaves_no_core() {
        super::harden();
        assert!(super::is_hardened());
        let limits = std::fs::read_to_string("/proc/self/limits").unwrap();
        let core = limits
            .lines()
            .find(|line| line.starts_with("Max core file size"));
        let words: Vec<&str> = core.unwrap().split_whitespace().collect();
        assert_eq!(words[4..6], ["0", "0"]);
        let dumpable = rustix::process::dumpable_behavior().unwrap();
        assert_eq!(dumpable, rustix::process::DumpableBehavior::NotDumpable);
    }
}
