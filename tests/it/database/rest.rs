//! A real Iceberg REST catalog (SeaweedFS's) for the conformance suite, whose places of metadata files
//! are any texts: here each is a snapshot that bears it.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;

use async_trait::async_trait;
use frazil::config::Secret;
use frazil::domain::TableName;
use frazil::lake::catalog::rest::{RestCatalog, RestOptions};
use frazil::lake::catalog::{Catalog, Edit, Guard, Pointer, Swap, SwapOutcome};
use frazil::lake::store::{S3Options, Store, StoreOptions};
use frazil::lake::{Result, Table};
use frazil::seams::{Clock, ManualClock, SystemClock};
use iceberg::spec::{
    FormatVersion, MAIN_BRANCH, NestedField, Operation, PartitionSpec, PrimitiveType, Schema,
    Snapshot, SnapshotReference, SnapshotRetention, SortOrder, StructType, Summary, TableMetadata,
    TableMetadataBuilder, Type,
};
use iceberg::{TableRequirement, TableUpdate};

use super::backend::{Backend, NOW_MS, open_with};
use crate::parts;

pub fn options(rest: &parts::Rest, url: &str) -> RestOptions {
    RestOptions {
        url: url.to_owned(),
        warehouse: Some(rest.warehouse.clone()),
        credential: Some(Secret::new(rest.credential.clone())),
        ..RestOptions::default()
    }
}

pub fn store() -> Store {
    let s3 = parts::s3();
    Store::open(StoreOptions {
        s3: S3Options {
            endpoint: Some(s3.endpoint),
            access_key_id: Some(s3.access_key),
            secret_access_key: Some(s3.secret_key),
            path_style: true,
            ..S3Options::default()
        },
        ..StoreOptions::default()
    })
}

/// For the conformance suite, whose places of metadata files are any text: here each is a snapshot.
pub async fn backend() -> Backend {
    let rest = parts::rest_catalog();
    let folder = tempfile::tempdir().unwrap();
    let clock = Arc::new(ManualClock::at(NOW_MS));
    let url = format!("sqlite://{}/control.db", folder.path().display());
    let database = open_with(&url, Arc::clone(&clock) as Arc<dyn Clock>).await;
    let options = options(&rest, &rest.url);
    let clock_of_sleeps = Arc::new(SystemClock::default());
    let opened = RestCatalog::open(&options, database.catalog(), clock_of_sleeps).await;
    Backend {
        catalog: Arc::new(Labelled {
            inner: opened.unwrap(),
            store: store(),
            warehouse: rest.warehouse,
        }),
        control: database.control(),
        clock: Some(clock),
        _folder: Some(folder),
    }
}

/// A REST catalog in which a place is the name of a snapshot: its moves are the commits that the
/// commit path sends, each a snapshot that follows the expected one.
#[derive(Debug)]
struct Labelled {
    inner: RestCatalog,
    store: Store,
    warehouse: String,
}

const LABEL: &str = "label";

fn id_of(label: &str) -> i64 {
    let mut hasher = DefaultHasher::new();
    label.hash(&mut hasher);
    (hasher.finish() >> 2) as i64 + 1
}

fn label_of(table: &Table) -> Option<String> {
    let summary = table.metadata().current_snapshot()?.summary().clone();
    summary.additional_properties.get(LABEL).cloned()
}

impl Labelled {
    async fn table(&self, name: &TableName) -> Result<Option<Table>> {
        match self.inner.load(name).await? {
            None => Ok(None),
            Some(pointer) => Table::at(&self.store, name, &pointer).await.map(Some),
        }
    }

    /// What the server is asked for. None: there is no such table.
    async fn real(&self, swap: &Swap) -> Result<Option<Swap>> {
        let Some(base) = self.table(&swap.table).await? else {
            return Ok(None);
        };
        let stands = label_of(&base) == swap.expected;
        let Some(new) = &swap.new else {
            let elsewhere = || "elsewhere".to_owned();
            return Ok(Some(Swap {
                expected: Some(if stands {
                    base.metadata_location().to_owned()
                } else {
                    elsewhere()
                }),
                ..swap.clone()
            }));
        };
        Ok(Some(Swap {
            expected: Some(base.metadata_location().to_owned()),
            edit: Some(edit(&base, swap.expected.as_deref(), new, stands)),
            ..swap.clone()
        }))
    }
}

fn edit(base: &Table, expected: Option<&str>, new: &str, stands: bool) -> Edit {
    let metadata = base.metadata();
    // A base that isn't the expected one is for the server to refuse, by its main alone.
    let sequence = metadata.last_sequence_number() + if stands { 1 } else { 1_000 };
    let summary = Summary {
        operation: Operation::Append,
        additional_properties: [(LABEL.to_owned(), new.to_owned())].into(),
    };
    let snapshot = Snapshot::builder()
        .with_snapshot_id(id_of(new))
        .with_parent_snapshot_id(metadata.current_snapshot_id())
        .with_sequence_number(sequence)
        .with_timestamp_ms(metadata.last_updated_ms() + 1)
        .with_manifest_list(format!("{}/metadata/{new}.avro", metadata.location()))
        .with_summary(summary)
        .with_schema_id(metadata.current_schema_id())
        .build();
    let branch = SnapshotRetention::branch(None, None, None);
    let updates = vec![
        TableUpdate::AddSnapshot { snapshot },
        TableUpdate::SetSnapshotRef {
            ref_name: MAIN_BRANCH.to_owned(),
            reference: SnapshotReference::new(id_of(new), branch),
        },
    ];
    let mut edit = Edit::new(metadata, base.refs(), updates);
    for required in &mut edit.requirements {
        if let TableRequirement::RefSnapshotIdMatch { snapshot_id, .. } = required {
            *snapshot_id = expected.map(id_of);
        }
    }
    edit
}

#[async_trait]
impl Catalog for Labelled {
    async fn load_all(&self, tables: &[TableName]) -> Result<Vec<Option<Pointer>>> {
        let pointers = self.inner.load_all(tables).await?;
        let mut labels = Vec::new();
        for (name, pointer) in tables.iter().zip(pointers) {
            labels.push(match pointer {
                None => None,
                Some(pointer) => {
                    let table = Table::at(&self.store, name, &pointer).await?;
                    Some(Pointer::at(label_of(&table).unwrap_or_default()))
                }
            });
        }
        Ok(labels)
    }

    async fn list(&self) -> Result<Vec<TableName>> {
        self.inner.list().await
    }

    async fn namespaces(&self) -> Result<Vec<String>> {
        self.inner.namespaces().await
    }

    async fn create_namespace(&self, namespace: &str) -> Result<()> {
        self.inner.create_namespace(namespace).await
    }

    fn writes_metadata(&self) -> bool {
        true
    }

    /// As the commit path does it: tables are made first, and taken back where the rest fails.
    async fn swap(&self, swaps: &[Swap], guards: &[Guard]) -> Result<SwapOutcome> {
        let held = self.inner.swap(&[], guards).await?;
        if held != SwapOutcome::Swapped {
            return Ok(held);
        }
        let (mut real, mut made) = (Vec::new(), Vec::new());
        for swap in swaps {
            if swap.expected.is_none() && swap.new.is_some() {
                let metadata = metadata(&format!("{}/{}", self.warehouse, place(&swap.table)));
                if !self.inner.make(&swap.table, &metadata).await? {
                    return Ok(SwapOutcome::Moved(swap.table.clone()));
                }
                made.push(swap.table.clone());
            }
            if swap.expected.is_none() && swap.new.is_none() {
                real.push(swap.clone());
                continue;
            }
            match self.real(swap).await? {
                Some(swap) => real.push(swap),
                None => return Ok(SwapOutcome::Moved(swap.table.clone())),
            }
        }
        let outcome = self.inner.swap(&real, guards).await;
        if !matches!(outcome, Ok(SwapOutcome::Swapped)) {
            for name in made {
                let table = self.table(&name).await?.expect("it was just made");
                let drop = Swap {
                    table: name,
                    expected: Some(table.metadata_location().to_owned()),
                    new: None,
                    edit: None,
                };
                self.inner.swap(&[drop], &[]).await?;
            }
        }
        outcome
    }
}

fn place(table: &TableName) -> String {
    format!("{}/{}", table.namespace(), table.name())
}

pub fn metadata(location: &str) -> TableMetadata {
    TableMetadataBuilder::new(
        schema(),
        PartitionSpec::unpartition_spec().into_unbound(),
        SortOrder::unsorted_order(),
        location.to_owned(),
        FormatVersion::V2,
        std::collections::HashMap::new(),
    )
    .unwrap()
    .assign_uuid(uuid::Uuid::new_v4())
    .build()
    .unwrap()
    .metadata
}

/// With a nested column before others: servers differ in how they would number them.
pub fn schema() -> Schema {
    let field = |id, name: &str, kind| Arc::new(NestedField::optional(id, name, kind));
    let text = || Type::Primitive(PrimitiveType::String);
    let nested = StructType::new(vec![field(4, "x", text()), field(5, "y", text())]);
    Schema::builder()
        .with_fields(vec![
            field(1, "id", Type::Primitive(PrimitiveType::Long)),
            field(2, "s", Type::Struct(nested)),
            field(3, "day", Type::Primitive(PrimitiveType::Date)),
        ])
        .build()
        .unwrap()
}
