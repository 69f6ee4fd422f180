//! Declarations that nobody would write and a broken tool might: `frazil check` says which file is
//! wrong, and ends in order whatever it is given; a stack that overflows can't be caught, so each
//! is a process of its own.

use std::path::Path;
use std::process::Command;

struct Folder(tempfile::TempDir);

impl Folder {
    fn new() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        for inner in ["catalog", "sql"] {
            std::fs::create_dir(folder.path().join(inner)).expect("a folder");
        }
        let config = "version = 1\n[lake]\nwarehouse = \"warehouse\"\n";
        std::fs::write(folder.path().join("frazil.toml"), config).expect("written");
        Self(folder)
    }

    fn path(&self, name: &str) -> std::path::PathBuf {
        self.0.path().join(name)
    }

    /// What `frazil check` says of this file beside nothing else, and its exit code.
    fn check(&self, name: &str, bytes: &[u8]) -> (Option<i32>, String) {
        let path = self.path(name);
        let before = std::fs::read(&path).ok();
        std::fs::write(&path, bytes).expect("written");
        let told = self.run();
        match before {
            Some(before) => std::fs::write(&path, before).expect("put back"),
            None => std::fs::remove_file(&path).expect("taken away"),
        }
        told
    }

    fn run(&self) -> (Option<i32>, String) {
        let output = Command::new(env!("CARGO_BIN_EXE_frazil"))
            .args(["check", "--config"])
            .arg(self.path("frazil.toml"))
            .output()
            .expect("the binary runs");
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(!said.contains("panicked"), "{said}");
        (output.status.code(), said)
    }

    fn is_refused(&self, name: &str, bytes: &[u8], part: &str) {
        let (code, said) = self.check(name, bytes);
        let shown = String::from_utf8_lossy(&bytes[..bytes.len().min(60)]).into_owned();
        assert_eq!(code, Some(2), "{name} {shown}: {said}");
        let said: String = said.chars().take(2_000).collect();
        assert!(
            said.contains(name) && said.contains(part),
            "{name} {shown}: {said}"
        );
    }

    fn is_fine(&self, name: &str, bytes: &[u8]) {
        let (code, said) = self.check(name, bytes);
        let said: String = said.chars().take(2_000).collect();
        assert_eq!(code, Some(0), "{name}: {said}");
    }
}

const STREAM: &str =
    "topic = \"t\"\ntable = \"a.b\"\n[[columns]]\nname = \"id\"\ntype = \"long\"\n";

/// Bytes that are no text, too much of it, and things that are no files.
#[test]
fn what_can_not_be_read_is_named() {
    let folder = Folder::new();
    for name in ["catalog/x.toml", "sql/x.sql", "frazil.toml"] {
        folder.is_refused(name, b"a = \"\xff\"", "is not UTF-8 from byte 5 on");
        folder.is_refused(name, &[b'#'; (4 << 20) + 1], "has 4194305 bytes");
        folder.is_refused(name, b"\0", "1:1");
        folder.is_refused(name, b"", name);
        folder.is_refused(name, "\u{feff}\u{feff}".as_bytes(), "1:");
    }
    for name in ["catalog/y.toml", "sql/y.sql"] {
        std::fs::create_dir(folder.path(name)).expect("a folder");
        let (code, said) = folder.run();
        assert_eq!(code, Some(2), "{said}");
        assert!(
            said.contains(name) && said.contains("can't be read"),
            "{said}"
        );
        std::fs::remove_dir(folder.path(name)).expect("taken away");
        let nowhere = Path::new("/nowhere/at/all");
        std::os::unix::fs::symlink(nowhere, folder.path(name)).expect("a link");
        let (code, said) = folder.run();
        assert_eq!(code, Some(2), "{said}");
        assert!(
            said.contains(name) && said.contains("can't be read"),
            "{said}"
        );
        std::fs::remove_file(folder.path(name)).expect("taken away");
    }
    folder.is_fine("catalog/x.toml", STREAM.as_bytes());
    // As some editors write it.
    let windows = format!("\u{feff}{}", STREAM.replace('\n', "\r\n"));
    folder.is_fine("catalog/x.toml", windows.as_bytes());
    let model = "CREATE MATERIALIZED VIEW a.m\r\nAS SELECT 1 AS x;\r\n";
    folder.is_fine("sql/x.sql", model.as_bytes());
}

#[test]
fn files_that_are_deeper_than_any_stack() {
    let folder = Folder::new();
    let nested = |open: &str, close: &str, depth: usize| {
        format!("x = {}{}", open.repeat(depth), close.repeat(depth))
    };
    let dotted = |parts: usize| format!("{}b", "a.".repeat(parts));
    let wide = format!("{{{} = ", dotted(78));
    for text in [
        nested("[", "]", 10_000),
        nested("{a = [", "]}", 10_000),
        format!("{} = 1", dotted(100_000)),
        format!("[{}]", dotted(100_000)),
        // As deep as is let through: tables in each other, each of many parts.
        format!("x = {}1{}", wide.repeat(79), "}".repeat(79)),
    ] {
        folder.is_refused("catalog/x.toml", text.as_bytes(), "catalog/x.toml:1:");
        folder.is_refused("frazil.toml", text.as_bytes(), "frazil.toml:1:");
    }
    for kind in [
        format!("{}int{}", "list<".repeat(10_000), ">".repeat(10_000)),
        format!("{}int{}", "struct<a: ".repeat(100_000), ">".repeat(100_000)),
    ] {
        let text = STREAM.replace("long", &kind);
        folder.is_refused("catalog/x.toml", text.as_bytes(), "nested deeper than 16");
    }
}

#[test]
fn models_that_are_deeper_than_any_stack() {
    let folder = Folder::new();
    let model =
        |query: &str| format!("CREATE MATERIALIZED VIEW a.m AS SELECT {query}").into_bytes();
    // A tree as deep as the text is long, made without a recursion.
    for query in [
        format!("1{} AS x", " + 1".repeat(90_000)),
        format!("1{} AS x", " OR 1 = 1".repeat(40_000)),
        format!("1 AS x{}", " UNION ALL SELECT 1".repeat(45_000)),
        format!("x FROM c.d{}", " JOIN c.d USING (x)".repeat(20_000)),
        format!("'x'{} AS x", "::text".repeat(60_000)),
    ] {
        folder.is_fine("sql/x.sql", &model(&query));
    }
    for (query, part) in [
        (
            format!("{}1{} AS x", "(".repeat(10_000), ")".repeat(10_000)),
            "",
        ),
        (format!("{}1 AS x", "NOT ".repeat(10_000)), ""),
        (format!("{}1 AS x", "- ".repeat(10_000)), ""),
        (
            format!(
                "x FROM {}c.d{}",
                "(SELECT * FROM ".repeat(5_000),
                ") t".repeat(5_000)
            ),
            "",
        ),
        (
            format!("CASE {} END", "WHEN 1 THEN CASE ".repeat(10_000)),
            "",
        ),
        (
            format!("1{} AS x", " + 1".repeat(200_000)),
            "more than 200000",
        ),
        (format!("1 /*{}", "/*".repeat(100_000)), "comment"),
        ("$$x".to_owned(), ""),
        ("E'\\".to_owned(), ""),
        ("U&'\\d800'".to_owned(), ""),
        ("1 AS x\0".to_owned(), ""),
    ] {
        folder.is_refused("sql/x.sql", &model(&query), part);
    }
}
