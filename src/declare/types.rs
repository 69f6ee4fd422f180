//! Column types as text: `long`, `decimal(12,2)`, `struct<a: int, b: list<string not null>>`.
//! A small parser of its own, so that every error has its position. Knows no field ids until
//! [`Numbering`] gives them.

use std::collections::BTreeMap;
use std::sync::Arc;

use iceberg::spec::{
    ListType, MapType, NestedField, NestedFieldRef, PrimitiveType, StructType, Type,
};

use crate::config::suggestion;

/// Nesting deeper than this is a mistake.
const DEEPEST: usize = 16;

/// A type without field ids.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Shape {
    Primitive(PrimitiveType),
    Struct(Vec<ShapeField>),
    List {
        element: Box<Shape>,
        required: bool,
    },
    Map {
        key: Box<Shape>,
        value: Box<Shape>,
        required: bool,
    },
}

/// A field of a struct, or a column.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct ShapeField {
    pub name: String,
    pub shape: Shape,
    pub required: bool,
    pub doc: Option<String>,
    pub renamed_from: Option<String>,
}

/// What is wrong, and at which byte of the type's text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct TypeError {
    pub byte: usize,
    pub message: String,
}

/// Parses a whole text.
pub(super) fn parse_type(text: &str) -> Result<Shape, TypeError> {
    let mut parser = Parser {
        text,
        byte: 0,
        depth: 0,
    };
    let shape = parser.shape()?;
    parser.skip_blanks();
    if parser.byte < text.len() {
        return Err(parser.error(format!("{:?} is too much here", &text[parser.byte..])));
    }
    Ok(shape)
}

struct Parser<'a> {
    text: &'a str,
    byte: usize,
    depth: usize,
}

impl<'a> Parser<'a> {
    fn error(&self, message: impl Into<String>) -> TypeError {
        TypeError {
            byte: self.byte,
            message: message.into(),
        }
    }

    fn skip_blanks(&mut self) {
        let rest = &self.text[self.byte..];
        self.byte += rest.len() - rest.trim_start().len();
    }

    fn peek(&mut self) -> Option<char> {
        self.skip_blanks();
        self.text[self.byte..].chars().next()
    }

    fn take(&mut self, wanted: char) -> bool {
        let found = self.peek() == Some(wanted);
        if found {
            self.byte += wanted.len_utf8();
        }
        found
    }

    fn expect(&mut self, wanted: char) -> Result<(), TypeError> {
        if self.take(wanted) {
            return Ok(());
        }
        let found = match self.peek() {
            Some(other) => format!("{other:?}"),
            None => "the end".to_owned(),
        };
        Err(self.error(format!("{wanted:?} is expected here, not {found}")))
    }

    fn word(&mut self) -> Result<&'a str, TypeError> {
        self.skip_blanks();
        let rest = &self.text[self.byte..];
        let length = rest
            .find(|c: char| !c.is_alphanumeric() && c != '_')
            .unwrap_or(rest.len());
        if length == 0 {
            return Err(self.error("a name is expected here"));
        }
        self.byte += length;
        Ok(&rest[..length])
    }

    /// Takes the words when all of them stand here.
    fn words(&mut self, wanted: &[&str]) -> bool {
        let start = self.byte;
        for word in wanted {
            if !matches!(self.word(), Ok(found) if found.eq_ignore_ascii_case(word)) {
                self.byte = start;
                return false;
            }
        }
        true
    }

    fn number(&mut self) -> Result<u32, TypeError> {
        self.skip_blanks();
        let start = self.byte;
        let number = self.word().ok().and_then(|word| word.parse().ok());
        number.ok_or_else(|| TypeError {
            byte: start,
            message: "a whole number is expected here".to_owned(),
        })
    }

    fn shape(&mut self) -> Result<Shape, TypeError> {
        self.depth += 1;
        if self.depth > DEEPEST {
            return Err(self.error(format!("nested deeper than {DEEPEST}")));
        }
        self.skip_blanks();
        let start = self.byte;
        let word = self.word()?;
        let shape = match word.to_ascii_lowercase().as_str() {
            "struct" => self.fields().map(Shape::Struct)?,
            "list" => self.list()?,
            "map" => self.map()?,
            "decimal" => Shape::Primitive(self.decimal()?),
            "fixed" => Shape::Primitive(self.fixed()?),
            other => Shape::Primitive(simple(other).ok_or_else(|| TypeError {
                byte: start,
                message: unknown(word),
            })?),
        };
        self.depth -= 1;
        Ok(shape)
    }

    fn fields(&mut self) -> Result<Vec<ShapeField>, TypeError> {
        self.expect('<')?;
        let mut fields: Vec<ShapeField> = Vec::new();
        // Where each stands, and of which field it is.
        let mut old_names = Vec::new();
        loop {
            self.skip_blanks();
            let start = self.byte;
            let name = self.word()?.to_owned();
            if fields
                .iter()
                .any(|other| other.name.eq_ignore_ascii_case(&name))
            {
                return Err(TypeError {
                    byte: start,
                    message: format!("{name} stands here twice"),
                });
            }
            self.expect(':')?;
            let shape = self.shape()?;
            let required = self.words(&["not", "null"]);
            let renamed_from = if self.words(&["renamed", "from"]) {
                self.skip_blanks();
                old_names.push((self.byte, fields.len()));
                Some(self.word()?.to_owned())
            } else {
                None
            };
            fields.push(ShapeField {
                name,
                shape,
                required,
                doc: None,
                renamed_from,
            });
            if !self.take(',') {
                break;
            }
        }
        self.expect('>')?;
        check_old_names(&fields, &old_names)?;
        Ok(fields)
    }

    fn list(&mut self) -> Result<Shape, TypeError> {
        self.expect('<')?;
        let element = Box::new(self.shape()?);
        let required = self.words(&["not", "null"]);
        self.expect('>')?;
        Ok(Shape::List { element, required })
    }

    fn map(&mut self) -> Result<Shape, TypeError> {
        self.expect('<')?;
        let key = Box::new(self.shape()?);
        self.expect(',')?;
        let value = Box::new(self.shape()?);
        let required = self.words(&["not", "null"]);
        self.expect('>')?;
        Ok(Shape::Map {
            key,
            value,
            required,
        })
    }

    fn decimal(&mut self) -> Result<PrimitiveType, TypeError> {
        self.expect('(')?;
        let start = self.byte;
        let precision = self.number()?;
        self.expect(',')?;
        let scale = self.number()?;
        self.expect(')')?;
        if !(1..=38).contains(&precision) || scale > precision {
            return Err(TypeError {
                byte: start,
                message: "decimal(p,s) has p from 1 to 38 and s from 0 to p".to_owned(),
            });
        }
        Ok(PrimitiveType::Decimal { precision, scale })
    }

    fn fixed(&mut self) -> Result<PrimitiveType, TypeError> {
        self.expect('(')?;
        let start = self.byte;
        let length = self.number()?;
        self.expect(')')?;
        if !(1..=65_536).contains(&length) {
            return Err(TypeError {
                byte: start,
                message: "fixed(n) has n from 1 to 65536".to_owned(),
            });
        }
        Ok(PrimitiveType::Fixed(u64::from(length)))
    }
}

/// A name that a field had before is no other's, now or before.
fn check_old_names(fields: &[ShapeField], old_names: &[(usize, usize)]) -> Result<(), TypeError> {
    for (byte, at) in old_names {
        let ShapeField {
            name, renamed_from, ..
        } = &fields[*at];
        let Some(old) = renamed_from else { continue };
        let message = if fields.iter().any(|other| other.name == *old) {
            format!("{name} is renamed from {old}, which is still declared")
        } else if fields[..*at]
            .iter()
            .any(|other| other.renamed_from == *renamed_from)
        {
            format!("{name} is renamed from {old}, and so is another")
        } else {
            continue;
        };
        return Err(TypeError {
            byte: *byte,
            message,
        });
    }
    Ok(())
}

const SIMPLE: [(&str, PrimitiveType); 12] = [
    ("boolean", PrimitiveType::Boolean),
    ("int", PrimitiveType::Int),
    ("long", PrimitiveType::Long),
    ("float", PrimitiveType::Float),
    ("double", PrimitiveType::Double),
    ("date", PrimitiveType::Date),
    ("time", PrimitiveType::Time),
    ("timestamp", PrimitiveType::Timestamp),
    ("timestamptz", PrimitiveType::Timestamptz),
    ("string", PrimitiveType::String),
    ("uuid", PrimitiveType::Uuid),
    ("binary", PrimitiveType::Binary),
];

fn simple(word: &str) -> Option<PrimitiveType> {
    SIMPLE
        .iter()
        .find(|(name, _)| *name == word)
        .map(|(_, primitive)| primitive.clone())
}

/// Names that people bring along from SQL and Avro, and what they are called here.
const ELSEWHERE: [(&str, &str); 12] = [
    ("bigint", "long"),
    ("integer", "int"),
    ("smallint", "int"),
    ("text", "string"),
    ("varchar", "string"),
    ("bool", "boolean"),
    ("real", "float"),
    ("numeric", "decimal(p,s)"),
    ("bytea", "binary"),
    ("bytes", "binary"),
    ("array", "list<…>"),
    ("jsonb", "string"),
];

fn unknown(word: &str) -> String {
    let elsewhere = ELSEWHERE
        .iter()
        .find(|(name, _)| name.eq_ignore_ascii_case(word))
        .map(|(_, here)| *here);
    let nested = ["decimal(p,s)", "fixed(n)", "struct<…>", "list<…>", "map<…>"];
    let known = || SIMPLE.iter().map(|(name, _)| *name).chain(nested);
    match elsewhere.or_else(|| suggestion(word, known())) {
        Some(right) => format!("there is no type {word:?}: did you mean {right}?"),
        None => {
            let known: Vec<&str> = known().collect();
            format!("there is no type {word:?}: known are {}", known.join(", "))
        }
    }
}

/// Gives field ids in Iceberg's order: all fields of a struct first, then what lies in them.
#[derive(Debug, Default)]
pub(super) struct Numbering {
    last: i32,
    /// Old dotted path → new dotted path.
    pub renames: BTreeMap<String, String>,
}

impl Numbering {
    fn next(&mut self) -> i32 {
        self.last += 1;
        self.last
    }

    /// The fields with ids; `old` and `new` are the dotted paths of what holds them.
    pub fn fields(&mut self, fields: &[ShapeField], old: &str, new: &str) -> Vec<NestedFieldRef> {
        let ids: Vec<i32> = fields.iter().map(|_| self.next()).collect();
        fields
            .iter()
            .zip(ids)
            .map(|(field, id)| {
                let old_name = field.renamed_from.as_ref().unwrap_or(&field.name);
                let (old, new) = (join(old, old_name), join(new, &field.name));
                if field.renamed_from.is_some() {
                    self.renames.insert(old.clone(), new.clone());
                }
                let kind = self.kind(&field.shape, &old, &new);
                let built = NestedField::new(id, &field.name, kind, field.required);
                Arc::new(match &field.doc {
                    Some(doc) => built.with_doc(doc),
                    None => built,
                })
            })
            .collect()
    }

    fn kind(&mut self, shape: &Shape, old: &str, new: &str) -> Type {
        match shape {
            Shape::Primitive(primitive) => Type::Primitive(primitive.clone()),
            Shape::Struct(fields) => Type::Struct(StructType::new(self.fields(fields, old, new))),
            Shape::List { element, required } => {
                let id = self.next();
                let kind = self.kind(element, &join(old, "element"), &join(new, "element"));
                let element = NestedField::list_element(id, kind, *required);
                Type::List(ListType::new(Arc::new(element)))
            }
            Shape::Map {
                key,
                value,
                required,
            } => {
                let (key_id, value_id) = (self.next(), self.next());
                let key = self.kind(key, &join(old, "key"), &join(new, "key"));
                let value = self.kind(value, &join(old, "value"), &join(new, "value"));
                Type::Map(MapType::new(
                    Arc::new(NestedField::map_key_element(key_id, key)),
                    Arc::new(NestedField::map_value_element(value_id, value, *required)),
                ))
            }
        }
    }
}

fn join(path: &str, name: &str) -> String {
    if path.is_empty() {
        name.to_owned()
    } else {
        format!("{path}.{name}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_type_of_version_2_is_known() {
        for (name, primitive) in SIMPLE {
            assert_eq!(parse_type(name), Ok(Shape::Primitive(primitive)), "{name}");
        }
        assert_eq!(
            parse_type(" decimal( 12 , 2 ) "),
            Ok(Shape::Primitive(PrimitiveType::Decimal {
                precision: 12,
                scale: 2
            }))
        );
        assert_eq!(
            parse_type("fixed(16)"),
            Ok(Shape::Primitive(PrimitiveType::Fixed(16)))
        );
        let text = "struct<a: int not null, b: list<struct<c: string renamed from d> not null>, e: map<string, decimal(9,0) not null>>";
        let Ok(Shape::Struct(fields)) = parse_type(text) else {
            panic!("a struct");
        };
        assert!(fields[0].required && !fields[1].required);
        assert!(matches!(
            &fields[1].shape,
            Shape::List { required: true, .. }
        ));
        assert!(matches!(
            &fields[2].shape,
            Shape::Map { required: true, .. }
        ));
    }

    #[test]
    fn errors_have_their_position() {
        for (text, byte, part) in [
            ("bigint", 0, "did you mean long"),
            ("strnig", 0, "did you mean string"),
            ("struct<a: int, b: txt>", 18, "no type \"txt\""),
            ("struct<a: int, A: int>", 15, "twice"),
            ("struct<a int>", 9, "':' is expected"),
            ("list<int", 8, "not the end"),
            ("decimal(39,2)", 8, "1 to 38"),
            ("decimal(4,5)", 8, "s from 0 to p"),
            ("fixed(0)", 6, "1 to 65536"),
            ("fixed(x)", 6, "whole number"),
            ("int int", 4, "too much"),
            ("", 0, "name is expected"),
            ("map<string>", 10, "',' is expected"),
        ] {
            let error = parse_type(text).expect_err(text);
            assert_eq!(error.byte, byte, "{text}: {}", error.message);
            assert!(error.message.contains(part), "{text}: {}", error.message);
        }
        let deep = format!("{}int{}", "list<".repeat(99), ">".repeat(99));
        assert!(parse_type(&deep).is_err());
    }

    #[test]
    fn ids_go_level_by_level_and_renames_have_paths() {
        let Ok(Shape::Struct(fields)) = parse_type(
            "struct<a: struct<x: int, y: list<struct<z: int renamed from zz>>> renamed from aa, b: map<string, int>>",
        ) else {
            panic!("a struct");
        };
        let mut numbering = Numbering::default();
        let fields = numbering.fields(&fields, "", "");
        assert_eq!((fields[0].id, fields[1].id), (1, 2));
        let Type::Struct(a) = fields[0].field_type.as_ref() else {
            panic!("a struct");
        };
        assert_eq!((a.fields()[0].id, a.fields()[1].id), (3, 4));
        let Type::Map(map) = fields[1].field_type.as_ref() else {
            panic!("a map");
        };
        assert_eq!((map.key_field.id, map.value_field.id), (7, 8));
        assert_eq!(
            numbering.renames,
            BTreeMap::from([
                ("aa".into(), "a".into()),
                ("aa.y.element.zz".into(), "a.y.element.z".into())
            ])
        );
    }
}
