//! Hygiene of the sources and the documents.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// Longest source file.
const LINES_MAX: usize = 600;
/// Modules of `protocol`: each uses only those to its left (`docs/ARCHITECTURE.md`).
const ORDER: [&str; 19] = [
    "limits",
    "time",
    "id",
    "private",
    "crypto",
    "wire",
    "store",
    "identity",
    "session",
    "feed",
    "mailbox",
    "discovery",
    "frame",
    "input",
    "output",
    "agenda",
    "outbox",
    "query",
    "engine",
];
/// Of these neither is to the left of the other: small leaves that everything uses.
const LEAVES: usize = 4;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .unwrap()
        .to_owned()
}

fn walk(dir: &Path, ending: &str, out: &mut Vec<PathBuf>) {
    let Ok(entries) = fs::read_dir(dir) else {
        return;
    };
    let mut paths: Vec<PathBuf> = entries.map(|e| e.unwrap().path()).collect();
    paths.sort();
    for path in paths {
        let name = path
            .file_name()
            .unwrap_or_default()
            .to_string_lossy()
            .into_owned();
        if path.is_dir() {
            if name != "target" && !name.starts_with('.') {
                walk(&path, ending, out);
            }
        } else if name.ends_with(ending) {
            out.push(path);
        }
    }
}

fn files(dirs: &[&str], ending: &str) -> Vec<(PathBuf, String)> {
    let mut paths = Vec::new();
    dirs.iter()
        .for_each(|dir| walk(&root().join(dir), ending, &mut paths));
    paths
        .into_iter()
        .filter_map(|path| Some((path.clone(), fs::read_to_string(&path).ok()?)))
        .collect()
}

fn shown(path: &Path) -> String {
    path.strip_prefix(root())
        .unwrap_or(path)
        .display()
        .to_string()
}

/// Source without comments and without what follows `#[cfg(test)]`.
fn code(text: &str) -> String {
    let body = text.split("#[cfg(test)]").next().unwrap_or_default();
    let lines = body
        .lines()
        .filter(|line| !line.trim_start().starts_with("//"));
    lines.collect::<Vec<_>>().join("\n")
}

/// The first module names after every `crate::`, `use crate::{…}` included.
fn used(text: &str) -> BTreeSet<String> {
    let mut used = BTreeSet::new();
    for part in code(text).split("crate::").skip(1) {
        let part = part.trim_start();
        let (list, nested) = match part.strip_prefix('{') {
            Some(list) => (list, true),
            None => (part, false),
        };
        let mut depth = 0;
        let mut word = String::new();
        for c in list.chars() {
            match c {
                '{' => depth += 1,
                '}' if depth == 0 => break,
                '}' => depth -= 1,
                ',' if depth == 0 && nested => {
                    used.insert(word.trim().to_owned());
                    word.clear();
                    continue;
                }
                c if depth == 0 && (c.is_alphanumeric() || c == '_' || c == ':') => word.push(c),
                c if depth == 0 && c.is_whitespace() && nested => {}
                _ if !nested => break,
                _ => {}
            }
        }
        used.insert(word.trim().to_owned());
    }
    used.into_iter()
        .filter_map(|path| path.split("::").next().map(str::to_owned))
        .filter(|name| !name.is_empty())
        .collect()
}

fn wrong_way(module: &str, uses: &str) -> bool {
    let place = |name| ORDER.iter().position(|known| *known == name);
    match (place(module), place(uses)) {
        (Some(module), Some(uses)) => uses > module && uses >= LEAVES,
        _ => false,
    }
}

#[test]
fn modules_of_protocol_use_only_those_to_their_left() {
    let mut wrong = Vec::new();
    for (path, text) in files(&["protocol/src"], ".rs") {
        let inside = path
            .strip_prefix(root().join("protocol/src"))
            .unwrap()
            .to_owned();
        let first = inside
            .components()
            .next()
            .unwrap()
            .as_os_str()
            .to_string_lossy()
            .into_owned();
        let module = first.trim_end_matches(".rs").to_owned();
        if module != "lib" && !ORDER.contains(&module.as_str()) {
            wrong.push(format!("{module} has no place in the order"));
        }
        for uses in used(&text) {
            if wrong_way(&module, &uses) {
                wrong.push(format!("{} uses {uses}", shown(&path)));
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn the_order_is_read_from_every_way_to_write_it() {
    let text = "use crate::store::{Tx, Key};\nuse crate::{\n    id::Mid, limits,\n};\nfn f(x: \
                crate::engine::X) {}\n// crate::query\n#[cfg(test)]\nuse crate::feed;";
    let found: Vec<String> = used(text).into_iter().collect();
    assert_eq!(found, ["engine", "id", "limits", "store"]);
    assert!(wrong_way("store", "engine") && wrong_way("wire", "store"));
    assert!(!wrong_way("engine", "store") && !wrong_way("id", "time"));
}

#[test]
fn no_source_file_is_too_long() {
    let all = files(
        &[
            "protocol/src",
            "node/src",
            "cli/src",
            "tests/src",
            "tests/tests",
        ],
        ".rs",
    );
    let long: Vec<String> = all
        .iter()
        .filter(|(_, text)| text.lines().count() > LINES_MAX)
        .map(|(path, text)| format!("{}: {} lines", shown(path), text.lines().count()))
        .collect();
    assert!(long.is_empty(), "{long:#?}");
}

#[test]
fn nothing_is_unsafe_unfinished_or_out_of_bounds() {
    let unfinished = ["todo!", "unimplemented!", "dbg!"];
    let dirs = ["protocol/src", "node/src", "cli/src", "tests/src"];
    let mut wrong = Vec::new();
    for (path, text) in files(&dirs, ".rs") {
        let code = code(&text);
        let marks = ["TODO", "FIXME", "XXX"].map(|m| format!("// {m}"));
        let marked = marks.iter().any(|mark| text.contains(mark.as_str()));
        if marked || unfinished.iter().any(|word| code.contains(word)) {
            wrong.push(format!("{} is unfinished", shown(&path)));
        }
        if code.contains("unsafe {") || code.contains("unsafe fn") || code.contains("unsafe impl") {
            wrong.push(format!("{} is unsafe", shown(&path)));
        }
        if shown(&path).starts_with("protocol/") && code.contains("std::") {
            wrong.push(format!("{} uses std", shown(&path)));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

/// Targets of Markdown links that lead to files.
fn links(text: &str) -> Vec<String> {
    text.split("](")
        .skip(1)
        .filter_map(|rest| rest.split([')', ' ']).next())
        .filter(|to| !to.contains("://") && !to.starts_with(['#', '<']) && !to.contains("mailto:"))
        .map(|to| to.split('#').next().unwrap_or_default().to_owned())
        .collect()
}

#[test]
fn links_between_documents_lead_somewhere() {
    let mut dead = Vec::new();
    let mut documents = files(&["docs"], ".md");
    let readme = root().join("README.md");
    documents.extend(fs::read_to_string(&readme).ok().map(|text| (readme, text)));
    for (path, text) in documents {
        for link in links(&text) {
            if !path.parent().unwrap().join(&link).exists() {
                dead.push(format!("{} -> {link}", shown(&path)));
            }
        }
    }
    assert!(dead.is_empty(), "{dead:#?}");
}

/// Paths that a map in a document names: the first word of each line of its code blocks, where
/// that ends in a slash or a file ending and begins with a name of the top level.
/// Paths of the tree that a document names: in backticks, from a crate's folder on.
fn named_paths(text: &str) -> Vec<String> {
    let quoted = text.split('`').skip(1).step_by(2);
    quoted
        .filter(|word| {
            let crates = ["protocol/", "node/", "cli/", "tests/", "docs/", ".ci/"];
            let plain = |c: char| c.is_ascii_alphanumeric() || "/._-".contains(c);
            crates.iter().any(|first| word.starts_with(first)) && word.chars().all(plain)
        })
        .map(str::to_owned)
        .collect()
}

#[test]
fn paths_named_in_the_papers_are_there() {
    let mut gone = Vec::new();
    for (path, text) in files(&["docs"], ".md").into_iter().chain([(
        root().join("README.md"),
        fs::read_to_string(root().join("README.md")).unwrap(),
    )]) {
        for named in named_paths(&text) {
            if !root().join(&named).exists() {
                gone.push(format!("{}: {named}", shown(&path)));
            }
        }
    }
    assert!(gone.is_empty(), "{gone:#?}");
}

/// Tests that a line of a document names: words of three parts or more in backticks, after a path
/// that ends in `.rs`.
fn named_tests(line: &str) -> Vec<&str> {
    let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
    let words = line.split('`').skip(1).step_by(2);
    words
        .skip_while(|word| !word.ends_with(".rs"))
        .filter(|word| word.matches('_').count() >= 2 && word.chars().all(plain))
        .collect()
}

#[test]
fn tests_named_in_the_papers_are_there() {
    let sources = files(&["protocol", "node/src", "cli", "tests"], ".rs");
    let (mut gone, mut found) = (Vec::new(), 0);
    for (path, text) in files(&["docs"], ".md") {
        for name in text.lines().flat_map(named_tests) {
            found += 1;
            let head = format!("fn {name}(");
            if !sources.iter().any(|(_, source)| source.contains(&head)) {
                gone.push(format!("{}: {name}", shown(&path)));
            }
        }
    }
    assert!(gone.is_empty(), "{gone:#?}");
    assert!(found > 50, "only {found} found");
}

fn mapped(text: &str) -> Vec<String> {
    let tops = [
        "Cargo.toml",
        "node/",
        "protocol/",
        "cli/",
        "tests/",
        "docs/",
    ];
    let mut inside = false;
    let mut paths = Vec::new();
    for line in text.lines() {
        if line.trim_start().starts_with("```") {
            inside = !inside;
        } else if inside {
            let word = line.split_whitespace().next().unwrap_or_default();
            if tops.iter().any(|top| word.starts_with(top)) {
                paths.push(word.to_owned());
            }
        }
    }
    paths
}

#[test]
fn the_map_in_the_readme_matches_the_disk() {
    let Ok(text) = fs::read_to_string(root().join("README.md")) else {
        return;
    };
    let paths = mapped(&text);
    let missing: Vec<_> = paths
        .iter()
        .filter(|path| !root().join(path).exists())
        .collect();
    assert!(missing.is_empty(), "{missing:?}");
    if !paths.is_empty() {
        for top in ["node/", "protocol/", "cli/", "tests/", "docs/"] {
            assert!(
                paths.iter().any(|path| path == top),
                "the map leaves out {top}"
            );
        }
    }
}

/// Limits of what is still to come, which no code keeps to yet.
const LATER: [&str; 1] = ["INIT_ENVELOPE_BYTES_MAX"];

/// Names of the public constants of a source file.
fn constants(text: &str) -> Vec<&str> {
    let names = text
        .lines()
        .filter_map(|line| line.strip_prefix("pub const "));
    names
        .filter_map(|rest| rest.split(':').next())
        .filter(|name| !name.contains('('))
        .collect()
}

/// Whether some code of the product says a name, as a whole word.
fn says(sources: &[String], name: &str) -> bool {
    let part = |c: char| c.is_ascii_alphanumeric() || c == '_';
    let mut words = sources.iter().flat_map(|code| code.split(|c| !part(c)));
    words.any(|word| word == name)
}

#[test]
fn every_limit_is_kept_by_some_code() {
    let limits = root().join("protocol/src/limits.rs");
    let text = fs::read_to_string(&limits).unwrap();
    let product = files(&["protocol/src", "node/src", "cli/src"], ".rs").into_iter();
    let tests = |path: &Path| shown(path).contains("/tests");
    let product = product.filter(|(path, _)| *path != limits && !tests(path));
    let sources: Vec<String> = product.map(|(_, text)| without_imports(&text)).collect();
    let names = constants(&text);
    assert!(names.len() > 60, "only {} found", names.len());
    let idle: Vec<&str> = names
        .into_iter()
        .filter(|name| !says(&sources, name) && !LATER.contains(name))
        .collect();
    assert!(idle.is_empty(), "limits that nothing keeps to: {idle:#?}");
}

/// [`code`] without what is brought in: a name that is only imported is not used.
fn without_imports(text: &str) -> String {
    let mut inside = false;
    let code = code(text);
    let lines = code.lines().filter(|line| {
        let begins = line.trim_start().starts_with("use ") || line.starts_with("pub use ");
        let kept = !inside && !begins;
        inside = (inside || begins) && !line.trim_end().ends_with(';');
        kept
    });
    lines.collect::<Vec<_>>().join("\n")
}

#[test]
fn a_limit_that_is_only_named_is_not_kept() {
    let text = "use crate::limits::{\n    A_MAX,\n    B_MAX,\n};\n// C_MAX\nfn f(n: usize) -> bool {\n    \
                n < B_MAX\n}\n#[cfg(test)]\nmod tests { const X: usize = C_MAX; }";
    let sources = [without_imports(text)];
    let kept = ["A_MAX", "B_MAX", "C_MAX", "MAX"].map(|name| says(&sources, name));
    assert_eq!(kept, [false, true, false, false]);
    let text = "pub const A_MAX: usize = 1;\n/// x\npub const B_S: Secs = 2;\nconst C: u8 = 1;\n";
    assert_eq!(constants(text), ["A_MAX", "B_S"]);
}

/// Numbers that a Rust enum gives its variants by `#[n(…)]` at one level of indentation.
fn variants(text: &str, name: &str) -> Vec<u64> {
    let Some(start) = text.find(&format!("pub enum {name} {{")) else {
        return Vec::new();
    };
    let body = text[start..].split("\n}").next().unwrap_or_default();
    let number = |line: &str| {
        line.strip_prefix("    #[n(")?
            .strip_suffix(")]")?
            .parse()
            .ok()
    };
    body.lines().filter_map(number).collect()
}

#[test]
fn the_spec_names_every_frame() {
    let spec = files(&["docs/spec"], ".cddl");
    let Some((path, cddl)) = spec.first() else {
        return;
    };
    let rust = fs::read_to_string(root().join("protocol/src/frame.rs")).unwrap_or_default();
    let numbers = variants(&rust, "Frame");
    assert!(
        !numbers.is_empty(),
        "no frames found in protocol/src/frame.rs"
    );
    for number in numbers {
        let named = cddl
            .lines()
            .any(|line| line.contains("frame") && line.contains(&format!("[{number},")))
            || cddl.contains(&format!("/ [{number},"));
        assert!(named, "{} does not name frame {number}", shown(path));
    }
}

#[test]
fn frame_numbers_are_found_in_an_enum() {
    let text = "pub enum Frame {\n    #[n(1)]\n    A(#[n(0)] u8),\n    #[n(7)]\n    B {\n        \
                #[n(3)]\n        x: u8,\n    },\n}\n";
    assert_eq!(variants(text, "Frame"), [1, 7]);
}
