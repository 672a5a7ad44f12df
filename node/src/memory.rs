//! How much memory the system may lend at once.

/// Memory comes in small pages. A huge page is resident as a whole as soon as one row lies in it,
/// and an allocator that spreads rows over many of them keeps all of those: a node at rest took
/// 70 MB instead of 25. A system that knows no such pages refuses, which changes nothing.
pub fn small_pages() {
    #[cfg(any(target_os = "linux", target_os = "android"))]
    if rustix::thread::disable_transparent_huge_pages(true).is_err() {
        tracing::debug!("huge pages cannot be switched off");
    }
}
