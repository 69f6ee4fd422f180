//! Makes a stream's event table and dead letters, or evolves them to the contract.
//! Never touches rows or offsets, and never decides that a stream starts over.

use std::collections::BTreeMap;
use std::time::Duration;

use iceberg::spec::{
    FormatVersion, PartitionSpec, Schema, SortOrder, Transform, UnboundPartitionSpec,
};

use crate::declare::dead_letters_schema;
use crate::declare::stream::Stream;
use crate::declare::{dead_letters_partition, dead_letters_sort_order};
use crate::domain::{Ledger, TableName};
use crate::lake::commit::{Commit, CommitError, FileChange, NewTable, TableChange};
use crate::lake::control::FilledTable;
use crate::lake::{Error, ErrorKind, Lake, Result, Table, schema};

/// Both tables of a stream, as loaded at one moment.
#[derive(Clone, Debug)]
pub(crate) struct Tables {
    pub events: Table,
    pub dead_letters: Table,
}

/// Processes that set up one stream at once meet here; each round one of them wins.
const ROUNDS: u32 = 20;

/// Loads both tables, making or evolving them first where the contract wants it.
///
/// `Invalid` when the contract can't be had on the living table, with the reason.
pub(crate) async fn open(lake: &Lake, stream: &Stream) -> Result<Tables> {
    if !lake.catalog.moves_together() {
        return Err(Error::invalid(format!(
            "stream {} can't be committed to this catalog: rows and dead letters of a batch go to two tables in one commit (I1), and the REST catalog's server offers none over several (POST /v1/{{prefix}}/transactions/commit)",
            stream.name
        )));
    }
    let mut last = None;
    for round in 0..ROUNDS {
        // The dead letters first: they name an event table that is there before they do.
        let dead_letters = load(lake, &stream.dead_letters).await?;
        let events = load(lake, &stream.table).await?;
        let known = known(lake, stream, dead_letters.as_ref()).await?;
        check_known(stream, events.as_ref(), known.as_deref())?;
        let changes = changes(stream, events.as_ref(), dead_letters.as_ref())?;
        if let (true, Some(events), Some(dead_letters)) = (changes.is_empty(), events, dead_letters)
        {
            remember(lake, stream, &events).await?;
            return Ok(Tables {
                events,
                dead_letters,
            });
        }
        for table in [&stream.table, &stream.dead_letters] {
            lake.catalog.create_namespace(table.namespace()).await?;
        }
        let commit = Commit {
            id: lake.entropy.uuid(),
            changes,
            guards: Vec::new(),
        };
        // Whatever came of it, the next round looks at what there is now (I5).
        match lake.commit(&commit).await {
            Ok(_) => {}
            Err(CommitError::Failed(error)) if error.kind() != ErrorKind::Conflict => {
                return Err(error);
            }
            Err(error) => {
                last = Some(error.to_string());
                let pause_ms = u64::from(round) * 20 + lake.entropy.next_u64() % 50;
                lake.clock.sleep(Duration::from_millis(pause_ms)).await;
            }
        }
    }
    Err(Error::conflict(format!(
        "the tables of stream {} were changed by others {ROUNDS} times while they were set up; last: {}",
        stream.name,
        last.unwrap_or_default()
    )))
}

/// The table, or None when there is none.
pub(crate) async fn load(lake: &Lake, name: &TableName) -> Result<Option<Table>> {
    match lake.catalog.load(name).await? {
        None => Ok(None),
        Some(pointer) => Table::at(&lake.store, name, &pointer).await.map(Some),
    }
}

/// What must change so that the tables are as the contract says.
fn changes(
    stream: &Stream,
    events: Option<&Table>,
    dead_letters: Option<&Table>,
) -> Result<Vec<TableChange>> {
    let mut changes = Vec::new();
    match events {
        None => changes.push(creation(&stream.table, new_event_table(stream))),
        Some(table) => changes.extend(evolution(
            table,
            &stream.schema,
            &stream.renames,
            Some((&stream.partition, &stream.sort_order)),
        )?),
    }
    let wanted = dead_letters_schema();
    match dead_letters {
        None => changes.push(creation(
            &stream.dead_letters,
            NewTable {
                schema: wanted,
                partition: dead_letters_partition(),
                sort_order: dead_letters_sort_order(),
                properties: BTreeMap::new(),
            },
        )),
        Some(table) => changes.extend(evolution(table, &wanted, &BTreeMap::new(), None)?),
    }
    if let (true, Some(events), Some(dead_letters)) = (changes.is_empty(), events, dead_letters) {
        changes.extend(acquaintance(events, dead_letters));
    }
    Ok(changes)
}

/// The dead letters' property that names the event table, by uuid: so that one that was dropped is
/// missed, by a process that never saw it too. Streams may share their dead letters.
pub(crate) fn event_table_property(table: &TableName) -> String {
    format!("frazil.event-table.{table}")
}

/// The uuid of the event table that the stream filled so far: the dead letters say it, and where
/// those are gone too, or say nothing, the control store does.
pub(crate) async fn known(
    lake: &Lake,
    stream: &Stream,
    dead_letters: Option<&Table>,
) -> Result<Option<String>> {
    let property = event_table_property(&stream.table);
    let named = dead_letters.and_then(|table| table.metadata().properties().get(&property));
    if let Some(uuid) = named {
        return Ok(Some(uuid.clone()));
    }
    let filled = lake.control.filled_table(&stream.table.to_string()).await?;
    Ok(filled.map(|filled| filled.uuid))
}

/// Lets the control store know the event table, if it doesn't.
async fn remember(lake: &Lake, stream: &Stream, events: &Table) -> Result<()> {
    let table = stream.table.to_string();
    let uuid = events.metadata().uuid().to_string();
    let filled = lake.control.filled_table(&table).await?;
    if filled.is_some_and(|filled| filled.uuid == uuid) {
        return Ok(());
    }
    let filled = FilledTable {
        table,
        uuid,
        stream: stream.name.clone(),
        since_ms: lake.clock.now_ms(),
    };
    lake.control.put_filled_table(&filled).await
}

/// An event table that was dropped is not made again in silence: its rows and its ledger are gone,
/// and the contract's start may lie behind or far ahead of what they held.
pub(crate) fn check_known(
    stream: &Stream,
    events: Option<&Table>,
    known: Option<&str>,
) -> Result<()> {
    let Some(known) = known else {
        return Ok(());
    };
    let found = match events {
        Some(table) if table.metadata().uuid().to_string() == known => return Ok(()),
        Some(_) => "another table stands under its name",
        None => "there is no such table any more",
    };
    Err(Error::invalid(format!(
        "table {} was dropped, renamed or replaced: stream {} filled the one with the uuid {known}, and {found}. Put it back into the catalog, or have a new one filled from the contract's start with `frazil stream accept-table {}`",
        stream.table, stream.name, stream.name
    )))
}

/// Lets the dead letters name their event table, if they don't.
fn acquaintance(events: &Table, dead_letters: &Table) -> Option<TableChange> {
    let property = event_table_property(events.name());
    let metadata = dead_letters.metadata();
    if metadata.properties().contains_key(&property) {
        return None;
    }
    Some(TableChange {
        set_properties: [(property, events.metadata().uuid().to_string())].into(),
        expected_uuid: Some(metadata.uuid()),
        ..TableChange::new(dead_letters.name().clone(), FileChange::Nothing)
    })
}

/// A new event table has a ledger from birth, so that a missing one always means that somebody
/// removed it (I1).
fn new_event_table(stream: &Stream) -> NewTable {
    NewTable {
        schema: stream.schema.clone(),
        partition: stream.partition.clone(),
        sort_order: stream.sort_order.clone(),
        properties: [(Ledger::PROPERTY.to_owned(), Ledger::default().to_json())].into(),
    }
}

fn creation(table: &TableName, new: NewTable) -> TableChange {
    TableChange {
        create: Some(new),
        ..TableChange::new(table.clone(), FileChange::Nothing)
    }
}

fn evolution(
    table: &Table,
    wanted: &Schema,
    renames: &BTreeMap<String, String>,
    layout: Option<(&UnboundPartitionSpec, &SortOrder)>,
) -> Result<Option<TableChange>> {
    let metadata = table.metadata();
    if metadata.format_version() != FormatVersion::V2 {
        return Err(Error::invalid(format!(
            "table {} has format {}; streams are committed to format v2 only",
            table.name(),
            metadata.format_version()
        )));
    }
    let evolved = schema::evolve(metadata, wanted, renames)?;
    if let Some((partition, order)) = layout {
        let current = evolved.as_ref().unwrap_or(metadata.current_schema());
        check_layout(table, current, wanted, partition, order)?;
    }
    Ok(evolved.map(|evolved| TableChange {
        schema: Some(evolved),
        expected_schema: Some(metadata.current_schema_id()),
        expected_uuid: Some(metadata.uuid()),
        ..TableChange::new(table.name().clone(), FileChange::Nothing)
    }))
}

/// Partitioning and sort order of a living table are not changed here: say so, rather than write
/// with another layout than the contract's.
fn check_layout(
    table: &Table,
    current: &Schema,
    wanted: &Schema,
    partition: &UnboundPartitionSpec,
    order: &SortOrder,
) -> Result<()> {
    let metadata = table.metadata();
    let has = spec_words(current, metadata.default_partition_spec());
    let wants: Vec<String> = partition
        .fields()
        .iter()
        .map(|field| word(wanted, field.source_id, field.transform))
        .collect();
    if has != wants {
        return Err(layout_error(table, "partitioned by", &has, &wants));
    }
    let has = order_words(current, metadata.default_sort_order());
    let wants = order_words(wanted, order);
    if has != wants {
        return Err(layout_error(table, "sorted by", &has, &wants));
    }
    Ok(())
}

fn layout_error(table: &Table, what: &str, has: &[String], wants: &[String]) -> Error {
    let list = |words: &[String]| match words {
        [] => "nothing".to_owned(),
        words => words.join(", "),
    };
    Error::invalid(format!(
        "table {} is {what} {}, its contract says {}; a living table keeps its layout: put the contract back, or name a new table in it",
        table.name(),
        list(has),
        list(wants)
    ))
}

fn spec_words(schema: &Schema, spec: &PartitionSpec) -> Vec<String> {
    spec.fields()
        .iter()
        .filter(|field| field.transform != Transform::Void)
        .map(|field| word(schema, field.source_id, field.transform))
        .collect()
}

fn order_words(schema: &Schema, order: &SortOrder) -> Vec<String> {
    order
        .fields
        .iter()
        .map(|field| {
            let column = word(schema, field.source_id, field.transform);
            format!("{column} {} {}", field.direction, field.null_order)
        })
        .collect()
}

fn word(schema: &Schema, source_id: i32, transform: Transform) -> String {
    let name = schema.name_by_field_id(source_id).unwrap_or("?");
    match transform {
        Transform::Identity => name.to_owned(),
        transform => format!("{transform}({name})"),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use async_trait::async_trait;

    use super::*;
    use crate::declare::parse_stream;
    use crate::lake::catalog::{Catalog, Guard, Pointer, Swap, SwapOutcome};
    use crate::lake::database::MemoryDatabase;
    use crate::lake::store::Store;
    use crate::seams::{ManualClock, SeededEntropy};

    /// One that moves a table at a time.
    #[derive(Debug)]
    struct Alone;

    #[async_trait]
    impl Catalog for Alone {
        async fn load_all(&self, _tables: &[TableName]) -> Result<Vec<Option<Pointer>>> {
            unreachable!("it is refused before it is asked")
        }
        async fn list(&self) -> Result<Vec<TableName>> {
            unreachable!()
        }
        async fn namespaces(&self) -> Result<Vec<String>> {
            unreachable!()
        }
        async fn create_namespace(&self, _namespace: &str) -> Result<()> {
            unreachable!()
        }
        async fn swap(&self, _swaps: &[Swap], _guards: &[Guard]) -> Result<SwapOutcome> {
            unreachable!()
        }
        fn moves_together(&self) -> bool {
            false
        }
    }

    #[tokio::test]
    async fn a_catalog_without_transactions_over_tables_is_refused_for_streams() {
        let clock = Arc::new(ManualClock::at(0));
        let lake = Lake {
            catalog: Arc::new(Alone),
            control: MemoryDatabase::new(clock.clone()).control(),
            store: Store::memory(),
            clock,
            entropy: Arc::new(SeededEntropy::new(1)),
            warehouse: "/wh".to_owned(),
        };
        let text = "topic = \"t\"\ntable = \"shop.events\"\nformat = \"json\"\n\
                    [[columns]]\nname = \"n\"\ntype = \"long\"\n";
        let file = std::path::Path::new("catalog/shop.toml");
        let stream = parse_stream(file, text.to_owned()).unwrap();
        let error = open(&lake, &stream).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Invalid);
        assert!(error.to_string().contains("transactions/commit"), "{error}");
    }
}
