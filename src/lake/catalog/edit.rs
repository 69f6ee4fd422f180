//! A change of a table's metadata as a catalog's server takes it: what must hold, and what to do.
//! Must never leave out a requirement that could tell the base from what it was read as.

use std::collections::BTreeSet;

use iceberg::spec::{FormatVersion, MAIN_BRANCH, TableMetadata};
use iceberg::{TableRequirement, TableUpdate};

use crate::domain::{Ledger, TableName};
use crate::lake::refs::Refs;

/// Iceberg's word for "the one added last".
const LAST_ADDED: i32 = -1;

/// What turns one metadata into the next.
#[derive(Clone, Debug, PartialEq)]
pub struct Edit {
    pub requirements: Vec<TableRequirement>,
    pub updates: Vec<TableUpdate>,
    /// The name that the table had until now: a rename, which comes without updates.
    pub renamed_from: Option<TableName>,
}

impl Edit {
    /// Of a table that was read so: whatever a requirement can name must still be as it was. The
    /// specification has none for properties and for the list of snapshots.
    pub fn new(base: &TableMetadata, refs: &Refs, updates: Vec<TableUpdate>) -> Self {
        let mut requirements = vec![
            TableRequirement::UuidMatch { uuid: base.uuid() },
            TableRequirement::LastAssignedFieldIdMatch {
                last_assigned_field_id: base.last_column_id(),
            },
            TableRequirement::CurrentSchemaIdMatch {
                current_schema_id: base.current_schema_id(),
            },
            TableRequirement::LastAssignedPartitionIdMatch {
                last_assigned_partition_id: base.last_partition_id(),
            },
            TableRequirement::DefaultSpecIdMatch {
                default_spec_id: base.default_partition_spec_id(),
            },
            TableRequirement::DefaultSortOrderIdMatch {
                default_sort_order_id: base.default_sort_order_id(),
            },
        ];
        let mut names: BTreeSet<&str> = refs.keys().map(String::as_str).collect();
        names.insert(MAIN_BRANCH);
        names.extend(updates.iter().filter_map(|update| match update {
            TableUpdate::SetSnapshotRef { ref_name, .. } => Some(ref_name.as_str()),
            _ => None,
        }));
        requirements.extend(
            names
                .into_iter()
                .map(|name| TableRequirement::RefSnapshotIdMatch {
                    r#ref: name.to_owned(),
                    snapshot_id: refs.get(name).map(|reference| reference.snapshot_id),
                }),
        );
        Self {
            requirements,
            updates,
            renamed_from: None,
        }
    }

    /// Whether it moves a stream's offsets.
    pub fn moves_ledger(&self) -> bool {
        self.updates.iter().any(|update| {
            matches!(update, TableUpdate::SetProperties { updates } if updates.contains_key(Ledger::PROPERTY))
        })
    }

    /// Whether a late arrival of it can't succeed any more on what the table is now: it adds a
    /// snapshot to one that is not the current one. Without a snapshot nobody can tell.
    pub fn has_lapsed(&self, now: Option<&TableMetadata>) -> bool {
        let adds = |update: &TableUpdate| matches!(update, TableUpdate::AddSnapshot { .. });
        let Some(now) = now.filter(|_| self.updates.iter().any(adds)) else {
            return false;
        };
        self.requirements.iter().any(|required| match required {
            TableRequirement::UuidMatch { uuid } => *uuid != now.uuid(),
            TableRequirement::RefSnapshotIdMatch { r#ref, snapshot_id } => {
                r#ref == MAIN_BRANCH && *snapshot_id != now.current_snapshot_id()
            }
            _ => false,
        })
    }
}

/// What makes a table of this metadata, but for its snapshots, out of nothing.
pub(super) fn creation(metadata: &TableMetadata) -> Vec<TableUpdate> {
    let mut updates = vec![
        TableUpdate::AssignUuid {
            uuid: metadata.uuid(),
        },
        TableUpdate::UpgradeFormatVersion {
            format_version: FormatVersion::V2,
        },
        TableUpdate::SetLocation {
            location: metadata.location().to_owned(),
        },
        TableUpdate::AddSchema {
            schema: metadata.current_schema().as_ref().clone(),
        },
        TableUpdate::SetCurrentSchema {
            schema_id: LAST_ADDED,
        },
        TableUpdate::AddSpec {
            spec: metadata
                .default_partition_spec()
                .as_ref()
                .clone()
                .into_unbound(),
        },
        TableUpdate::SetDefaultSpec {
            spec_id: LAST_ADDED,
        },
        TableUpdate::AddSortOrder {
            sort_order: metadata.default_sort_order().as_ref().clone(),
        },
        TableUpdate::SetDefaultSortOrder {
            sort_order_id: i64::from(LAST_ADDED),
        },
    ];
    if !metadata.properties().is_empty() {
        updates.push(TableUpdate::SetProperties {
            updates: metadata.properties().clone(),
        });
    }
    updates
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lake::refs;

    fn metadata(current: &str) -> TableMetadata {
        let text = format!(
            r#"{{"format-version": 2, "table-uuid": "00000000-0000-0000-0000-000000000001",
            "location": "/a", "last-sequence-number": 1, "last-updated-ms": 2, "last-column-id": 1,
            "current-schema-id": 0, "schemas": [{{"type": "struct", "schema-id": 0, "fields": [
              {{"id": 1, "name": "a", "required": true, "type": "long"}}]}}],
            "default-spec-id": 0, "partition-specs": [{{"spec-id": 0, "fields": []}}],
            "last-partition-id": 999, "default-sort-order-id": 0,
            "sort-orders": [{{"order-id": 0, "fields": []}}]{current}}}"#
        );
        serde_json::from_str(&text).unwrap()
    }

    fn with_snapshot(id: i64) -> TableMetadata {
        metadata(&format!(
            r#", "current-snapshot-id": {id}, "snapshots": [{{"snapshot-id": {id},
            "sequence-number": 1, "timestamp-ms": 1, "manifest-list": "/a/7.avro",
            "summary": {{"operation": "append"}}}}]"#
        ))
    }

    fn sets(name: &str) -> TableUpdate {
        TableUpdate::SetSnapshotRef {
            ref_name: name.to_owned(),
            reference: refs::branch(8),
        }
    }

    #[test]
    fn every_reference_must_be_where_it_was() {
        let base = with_snapshot(7);
        let known = Refs::from([
            ("main".to_owned(), refs::branch(7)),
            ("audit".to_owned(), refs::branch(7)),
        ]);
        let edit = Edit::new(&base, &known, vec![sets("main"), sets("new")]);
        let text = serde_json::to_string(&edit.requirements).unwrap();
        for part in [
            r#"{"type":"assert-table-uuid","uuid":"00000000-0000-0000-0000-000000000001"}"#,
            r#"{"type":"assert-ref-snapshot-id","ref":"audit","snapshot-id":7}"#,
            r#"{"type":"assert-ref-snapshot-id","ref":"main","snapshot-id":7}"#,
            r#"{"type":"assert-ref-snapshot-id","ref":"new","snapshot-id":null}"#,
            r#"{"type":"assert-last-assigned-field-id","last-assigned-field-id":1}"#,
            r#"{"type":"assert-current-schema-id","current-schema-id":0}"#,
            r#"{"type":"assert-last-assigned-partition-id","last-assigned-partition-id":999}"#,
            r#"{"type":"assert-default-spec-id","default-spec-id":0}"#,
            r#"{"type":"assert-default-sort-order-id","default-sort-order-id":0}"#,
        ] {
            assert!(text.contains(part), "{part} in {text}");
        }
        // The crate's own check agrees, of what it knows: it reads no references here.
        for required in &edit.requirements {
            let named = matches!(required, TableRequirement::RefSnapshotIdMatch { .. });
            assert!(named || required.check(Some(&base)).is_ok(), "{required:?}");
        }
    }

    #[test]
    fn one_that_adds_a_snapshot_lapses_with_the_next() {
        let base = metadata("");
        let snapshot = with_snapshot(8).snapshots().next().unwrap().clone();
        let adds = TableUpdate::AddSnapshot {
            snapshot: snapshot.as_ref().clone(),
        };
        let edit = Edit::new(&base, &Refs::new(), vec![adds, sets("main")]);
        assert!(!edit.has_lapsed(None));
        assert!(!edit.has_lapsed(Some(&base)));
        assert!(edit.has_lapsed(Some(&with_snapshot(9))));
        let edit = Edit::new(&base, &Refs::new(), Vec::new());
        assert!(!edit.has_lapsed(Some(&with_snapshot(9))));
    }

    #[test]
    fn a_creation_has_the_whole_of_an_empty_table() {
        let updates = creation(&metadata(r#", "properties": {"a": "b"}"#));
        let text = serde_json::to_value(updates).unwrap();
        let actions: Vec<&str> = text
            .as_array()
            .unwrap()
            .iter()
            .map(|update| update["action"].as_str().unwrap())
            .collect();
        let all = [
            "assign-uuid",
            "upgrade-format-version",
            "set-location",
            "add-schema",
            "set-current-schema",
            "add-spec",
            "set-default-spec",
            "add-sort-order",
            "set-default-sort-order",
            "set-properties",
        ];
        assert_eq!(actions, all);
        assert_eq!(text[3]["schema"]["fields"][0]["id"], 1);
        assert_eq!(text[4]["schema-id"], -1);
    }
}
