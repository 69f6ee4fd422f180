//! A view: a query's text, kept as Iceberg keeps views, so that other engines see that it is there.
//! What the text means is the query room's affair. Metadata files are written once, under names of
//! their own; must never hold more than [`VERSIONS`] of a view's texts.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;
use iceberg::spec::{Schema, ViewMetadata, ViewRepresentation};
use serde_json::{Value, json};

use super::store::Store;
use super::{Error, Lake, Result};
use crate::domain::TableName;

/// The dialect of our texts: Postgres's SQL with what this program adds to it.
const DIALECT: &str = "frazil";
/// The property that other engines take for a view's comment too.
const COMMENT: &str = "comment";
/// Texts that a view's metadata remembers.
const VERSIONS: usize = 10;

/// A loaded view. Cheap to clone; never changes.
#[derive(Clone, Debug)]
pub struct View {
    metadata: Arc<ViewMetadata>,
    metadata_location: String,
}

/// What a view is to be.
#[derive(Clone, Debug)]
pub struct Definition {
    pub sql: String,
    /// Its columns, as near as Iceberg's types come to them.
    pub schema: Schema,
}

impl View {
    /// Reads a metadata file. `NotFound` when it is gone, `Corrupt` when it is no view's.
    pub async fn read(store: &Store, metadata_location: &str) -> Result<Self> {
        let bytes = store.read(metadata_location).await?;
        let metadata = serde_json::from_slice(&bytes).map_err(|error| {
            Error::corrupt(format!(
                "{metadata_location} is no metadata of a view: {error}"
            ))
        })?;
        Ok(Self {
            metadata: Arc::new(metadata),
            metadata_location: metadata_location.to_owned(),
        })
    }

    /// A view that is about to be made.
    pub fn new(lake: &Lake, name: &TableName, definition: &Definition) -> Result<Self> {
        let (namespace, view) = (name.namespace(), name.name());
        let id = lake.entropy.uuid();
        let location = format!("{}/{namespace}/{view}-{}", lake.warehouse, id.simple());
        let now_ms = lake.clock.now_ms();
        Self::of(
            lake,
            json!({
                "view-uuid": id,
                "format-version": 1,
                "location": location,
                "current-version-id": 1,
                "versions": [version(1, 0, namespace, now_ms, &definition.sql)],
                "version-log": [{"timestamp-ms": now_ms, "version-id": 1}],
                "schemas": [schema(&definition.schema, 0)?],
                "properties": {},
            }),
        )
    }

    /// The view with another text.
    pub fn replaced(&self, lake: &Lake, namespace: &str, definition: &Definition) -> Result<Self> {
        let mut document = self.document()?;
        let id = self.metadata.current_version_id().saturating_add(1);
        let now_ms = lake.clock.now_ms();
        let ids = self.metadata.schemas_iter().map(|known| known.schema_id());
        let schema_id = ids.max().unwrap_or(0).saturating_add(1);
        let versions = list(&mut document, "versions");
        versions.sort_by_key(|version| version["version-id"].as_i64());
        versions.push(version(id, schema_id, namespace, now_ms, &definition.sql));
        versions.drain(..versions.len().saturating_sub(VERSIONS));
        let kept = versions.clone();
        let named = |key: &str, id: &Value| kept.iter().any(|version| version[key] == *id);
        let log = list(&mut document, "version-log");
        log.push(json!({"timestamp-ms": now_ms, "version-id": id}));
        log.retain(|entry| named("version-id", &entry["version-id"]));
        let schemas = list(&mut document, "schemas");
        schemas.push(schema(&definition.schema, schema_id)?);
        schemas.retain(|schema| named("schema-id", &schema["schema-id"]));
        document["current-version-id"] = json!(id);
        Self::of(lake, document)
    }

    /// The view with another comment.
    pub fn with_comment(&self, lake: &Lake, comment: Option<&str>) -> Result<Self> {
        let mut document = self.document()?;
        let mut properties: BTreeMap<&str, &str> = BTreeMap::new();
        for (key, value) in self.metadata.properties() {
            properties.insert(key, value);
        }
        match comment {
            Some(comment) => properties.insert(COMMENT, comment),
            None => properties.remove(COMMENT),
        };
        document["properties"] = json!(properties);
        Self::of(lake, document)
    }

    /// The same in a file of its own: names of metadata files never come back.
    pub fn moved(&self, lake: &Lake) -> Result<Self> {
        Self::of(lake, self.document()?)
    }

    fn of(lake: &Lake, document: Value) -> Result<Self> {
        let metadata: ViewMetadata = serde_json::from_value(document)
            .map_err(|error| Error::invalid(format!("the view can't be kept: {error}")))?;
        let location = metadata.location();
        let number = metadata.current_version_id();
        let file = lake.entropy.uuid();
        Ok(Self {
            metadata_location: format!("{location}/metadata/{number:05}-{file}.metadata.json"),
            metadata: Arc::new(metadata),
        })
    }

    fn document(&self) -> Result<Value> {
        serde_json::to_value(self.metadata.as_ref())
            .map_err(|error| Error::invalid(format!("{}: {error}", self.metadata_location)))
    }

    pub fn to_json(&self) -> Result<Bytes> {
        Ok(self.document()?.to_string().into())
    }

    pub fn metadata_location(&self) -> &str {
        &self.metadata_location
    }

    /// Its query. `Invalid` when it is written for other engines only.
    pub fn sql(&self) -> Result<&str> {
        let texts = self.metadata.current_version().representations();
        let own = texts.iter().find_map(|ViewRepresentation::Sql(text)| {
            (text.dialect == DIALECT).then_some(text.sql.as_str())
        });
        own.ok_or_else(|| {
            let others = texts.iter();
            let others = others.map(|ViewRepresentation::Sql(text)| text.dialect.as_str());
            Error::invalid(format!(
                "the view was made by another engine, its query is in the dialect {}",
                others.collect::<Vec<_>>().join(", ")
            ))
        })
    }

    pub fn comment(&self) -> Option<&str> {
        self.metadata.properties().get(COMMENT).map(String::as_str)
    }

    /// Its columns when its text was written.
    pub fn schema(&self) -> Option<&Schema> {
        let current = self.metadata.current_version().schema_id();
        self.metadata.schema_by_id(current).map(AsRef::as_ref)
    }
}

fn version(id: i32, schema_id: i32, namespace: &str, now_ms: i64, sql: &str) -> Value {
    json!({
        "version-id": id,
        "schema-id": schema_id,
        "timestamp-ms": now_ms,
        "summary": {"engine-name": "frazil", "engine-version": env!("CARGO_PKG_VERSION")},
        "representations": [{"type": "sql", "sql": sql, "dialect": DIALECT}],
        "default-namespace": [namespace],
    })
}

fn schema(schema: &Schema, id: i32) -> Result<Value> {
    let mut written = serde_json::to_value(schema)
        .map_err(|error| Error::invalid(format!("the view's columns can't be kept: {error}")))?;
    written["schema-id"] = json!(id);
    Ok(written)
}

/// A list of the document; one that isn't there is empty.
fn list<'a>(document: &'a mut Value, key: &str) -> &'a mut Vec<Value> {
    if !document[key].is_array() {
        document[key] = json!([]);
    }
    match &mut document[key] {
        Value::Array(list) => list,
        _ => unreachable!("it was just made one"),
    }
}

#[cfg(test)]
mod tests {
    use iceberg::spec::{NestedField, PrimitiveType, Type};

    use super::*;
    use crate::lake::database::MemoryDatabase;
    use crate::seams::{SeededEntropy, SystemClock};

    fn lake() -> Lake {
        let clock: Arc<dyn crate::seams::Clock> = Arc::new(SystemClock::default());
        let database = MemoryDatabase::new(Arc::clone(&clock));
        Lake {
            catalog: database.catalog(),
            control: database.control(),
            store: Store::memory(),
            clock,
            entropy: Arc::new(SeededEntropy::new(7)),
            warehouse: "file:///house".into(),
        }
    }

    fn definition(sql: &str, columns: &[&str]) -> Definition {
        let fields = columns.iter().zip(1..).map(|(name, id)| {
            Arc::new(NestedField::optional(
                id,
                *name,
                Type::Primitive(PrimitiveType::String),
            ))
        });
        Definition {
            sql: sql.into(),
            schema: Schema::builder().with_fields(fields).build().unwrap(),
        }
    }

    #[tokio::test]
    async fn a_view_is_read_as_it_was_written_and_forgets_old_texts() {
        let lake = lake();
        let name = TableName::new("shop", "v").unwrap();
        let mut view = View::new(&lake, &name, &definition("SELECT 0", &["a"])).unwrap();
        view = view.with_comment(&lake, Some("what it is")).unwrap();
        for round in 1..30 {
            let sql = format!("SELECT {round}");
            view = view
                .replaced(&lake, "shop", &definition(&sql, &["a", "b"]))
                .unwrap();
        }
        let location = view.metadata_location().to_owned();
        lake.store
            .write(&location, view.to_json().unwrap())
            .await
            .unwrap();
        let read = View::read(&lake.store, &location).await.unwrap();
        assert_eq!(read.sql().unwrap(), "SELECT 29");
        assert_eq!(read.comment(), Some("what it is"));
        assert_eq!(read.schema().unwrap().as_struct().fields().len(), 2);
        assert_eq!(read.metadata.versions().len(), VERSIONS);
        assert_ne!(read.moved(&lake).unwrap().metadata_location(), location);
    }

    /// What the first release wrote stays readable.
    #[tokio::test]
    async fn a_view_of_the_first_release_is_read() {
        let written = r#"{"view-uuid":"018f7c3e-0000-7000-8000-000000000001","format-version":1,
            "location":"file:///house/shop/v-1","current-version-id":2,
            "versions":[
              {"version-id":1,"schema-id":0,"timestamp-ms":1790000000000,
               "summary":{"engine-name":"frazil","engine-version":"0.1.0"},
               "representations":[{"type":"sql","sql":"SELECT 1 AS a","dialect":"frazil"}],
               "default-namespace":["shop"]},
              {"version-id":2,"schema-id":1,"timestamp-ms":1790000000001,
               "summary":{"engine-name":"frazil","engine-version":"0.1.0"},
               "representations":[{"type":"sql","sql":"SELECT t.a FROM shop.t","dialect":"frazil"}],
               "default-namespace":["shop"]}],
            "version-log":[{"timestamp-ms":1790000000000,"version-id":1},
                           {"timestamp-ms":1790000000001,"version-id":2}],
            "schemas":[{"type":"struct","schema-id":0,"fields":[
                          {"id":1,"name":"a","required":false,"type":"int"}]},
                       {"type":"struct","schema-id":1,"fields":[
                          {"id":1,"name":"a","required":false,"type":"long"}]}],
            "properties":{"comment":"of old"}}"#;
        let lake = lake();
        let location = "file:///house/shop/v-1/metadata/00002-x.metadata.json";
        lake.store.write(location, written.into()).await.unwrap();
        let view = View::read(&lake.store, location).await.unwrap();
        assert_eq!(view.sql().unwrap(), "SELECT t.a FROM shop.t");
        assert_eq!(view.comment(), Some("of old"));
        let next = definition("SELECT 3 AS a", &["a"]);
        let next = view.replaced(&lake, "shop", &next).unwrap();
        assert_eq!(next.sql().unwrap(), "SELECT 3 AS a");
        assert_eq!(next.comment(), Some("of old"));
    }

    #[tokio::test]
    async fn a_view_of_another_engine_says_so() {
        let lake = lake();
        let name = TableName::new("shop", "v").unwrap();
        let view = View::new(&lake, &name, &definition("SELECT 0", &["a"])).unwrap();
        let spark = view.document().unwrap().to_string().replace(
            &format!("\"dialect\":\"{DIALECT}\""),
            "\"dialect\":\"spark\"",
        );
        lake.store
            .write("file:///house/v.json", spark.into())
            .await
            .unwrap();
        let read = View::read(&lake.store, "file:///house/v.json")
            .await
            .unwrap();
        let error = read.sql().unwrap_err();
        assert!(error.to_string().contains("spark"), "{error}");
    }
}
