//! Printed chats, compared with what was printed before. `BLESS=1` writes them anew.

use std::path::PathBuf;

/// Compares a chart with `tests/golden/<name>.txt`.
pub fn check(name: &str, chart: &str) {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .join("golden")
        .join(format!("{name}.txt"));
    if std::env::var_os("BLESS").is_some() {
        std::fs::write(&path, chart).unwrap();
        return;
    }
    let golden = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(
        golden == chart,
        "{name} differs from {}; BLESS=1 accepts it.\n---- expected\n{golden}---- seen\n{chart}",
        path.display()
    );
}
