//! The contracts that records are decoded by: the shipped one, and others with every type,
//! everything required, and names from before a rename.

use std::path::Path;

use frazil::declare::parse_stream;
use frazil::declare::stream::Stream;

const EVERY_TYPE: &str = r#"
topic = "t"
table = "a.every"
[[columns]]
name = "b"
type = "boolean"
[[columns]]
name = "i"
type = "int"
[[columns]]
name = "l"
type = "long"
[[columns]]
name = "f"
type = "float"
[[columns]]
name = "d"
type = "double"
[[columns]]
name = "m"
type = "decimal(12,2)"
[[columns]]
name = "big"
type = "decimal(38,9)"
[[columns]]
name = "date"
type = "date"
[[columns]]
name = "time"
type = "time"
[[columns]]
name = "ts"
type = "timestamp"
[[columns]]
name = "tz"
type = "timestamptz"
[[columns]]
name = "s"
type = "string"
[[columns]]
name = "u"
type = "uuid"
[[columns]]
name = "x"
type = "fixed(2)"
[[columns]]
name = "bin"
type = "binary"
[[columns]]
name = "st"
type = "struct<a: long, r: string not null>"
[[columns]]
name = "items"
type = "list<struct<sku: string not null, count: int> not null>"
[[columns]]
name = "tags"
type = "map<string, string>"
[[columns]]
name = "marks"
type = "map<int, long not null>"
"#;

/// Small, with everything required, deep, and keys of all kinds.
const STRICT: &str = r#"
topic = "t"
table = "a.strict"
largest_record = "200 B"
[[columns]]
name = "id"
type = "long"
required = true
[[columns]]
name = "at"
type = "timestamptz"
required = true
[[columns]]
name = "deep"
type = "list<map<string, struct<x: list<int not null> not null, y: map<uuid, double>>>>"
[[columns]]
name = "k1"
type = "map<decimal(4,1), boolean not null>"
[[columns]]
name = "k2"
type = "map<boolean, date>"
[[columns]]
name = "k3"
type = "map<timestamptz, fixed(1)>"
[[columns]]
name = "k4"
type = "map<double, list<time>>"
"#;

/// Columns that had other names, inside each other too.
const RENAMED: &str = r#"
topic = "t"
table = "a.renamed"
[[columns]]
name = "a"
type = "struct<x: int renamed from xx, y: list<struct<z: int renamed from zz, w: string>>>"
renamed_from = "aa"
[[columns]]
name = "m"
type = "map<string, struct<v: long renamed from u>>"
[[columns]]
name = "plain"
type = "string"
"#;

pub fn contracts() -> Vec<Stream> {
    let shop = std::fs::read_to_string(super::root().join("catalog/shop.toml"));
    let shop = shop.expect("the shipped stream");
    [shop.as_str(), EVERY_TYPE, STRICT, RENAMED]
        .map(|text| parse_stream(Path::new("catalog/x.toml"), text.to_owned()).expect("a contract"))
        .into()
}

/// The texts above, for those who read contracts.
pub const TEXTS: [&str; 3] = [EVERY_TYPE, STRICT, RENAMED];
