//! What was declared of a table's rows as a whole: keys and conditions, asked of the rows that a
//! statement has written before they count.

use arrow::array::AsArray;
use iceberg::spec::DataFile;

use super::target::Target;
use super::{Result, WORK, Writer, parse, quoted, refuse};
use crate::query::QueryError;
use crate::query::declared::Key;
use crate::query::loader::Own;
use crate::query::scan::IcebergTable;

impl Writer<'_> {
    /// Checks new rows, which the table does not hold yet. States `23505` and `23514`.
    pub(super) async fn check_rows(&self, target: &mut Target, new: &[DataFile]) -> Result<()> {
        if new.is_empty() {
            return Ok(());
        }
        let rows = target.draft.readable_of(new.to_vec())?;
        self.check_existing(target, rows).await?;
        // Whoever adds rows beside these must see them.
        target.draft.depends |= !target.declared.keys.is_empty();
        Ok(())
    }

    /// Checks rows beside those that the target holds.
    pub(super) async fn check_existing(&self, target: &Target, rows: IcebergTable) -> Result<()> {
        let relation = target.name.name();
        for check in &target.declared.checks {
            let sql = format!(
                "SELECT '1' FROM {WORK}.new AS {} WHERE NOT ({}) LIMIT 1",
                quoted(relation),
                check.expression
            );
            if self
                .first_row(&sql, self.work("new", rows.clone())?)
                .await?
                .is_some()
            {
                let name = &check.name;
                let message = format!(
                    "new row for relation \"{relation}\" violates check constraint \"{name}\""
                );
                return Err(refuse("23514", message));
            }
        }
        for key in &target.declared.keys {
            self.check_key(target, key, &rows).await?;
        }
        Ok(())
    }

    async fn check_key(&self, target: &Target, key: &Key, rows: &IcebergTable) -> Result<()> {
        let names = key_columns(target, key);
        let old = target.draft.readable()?;
        let mut own = self.work("new", rows.clone())?;
        own.extend(self.work("old", old)?);
        let texts = |of: &str| {
            let texts = names
                .iter()
                .map(|name| format!("CAST({of}.{} AS TEXT)", quoted(name)));
            texts.collect::<Vec<_>>().join(", ")
        };
        let columns: Vec<String> = names.iter().map(|name| quoted(name)).collect();
        let known: Vec<String> = columns
            .iter()
            .map(|c| format!("n.{c} IS NOT NULL"))
            .collect();
        let same: Vec<String> = columns.iter().map(|c| format!("n.{c} = o.{c}")).collect();
        let grouped: Vec<String> = columns.iter().map(|c| format!("n.{c}")).collect();
        let within = format!(
            "SELECT {} FROM {WORK}.new AS n WHERE {} GROUP BY {} HAVING count(*) > 1 LIMIT 1",
            texts("n"),
            known.join(" AND "),
            grouped.join(", ")
        );
        let across = format!(
            "SELECT {} FROM {WORK}.new AS n JOIN {WORK}.old AS o ON {} LIMIT 1",
            texts("n"),
            same.join(" AND ")
        );
        for sql in [within, across] {
            if let Some(values) = self.first_row(&sql, own.clone()).await? {
                return Err(duplicate(key, &names, &values));
            }
        }
        Ok(())
    }

    /// The first row of a query as text.
    pub(super) async fn first_row(&self, sql: &str, own: Own) -> Result<Option<Vec<String>>> {
        let plan = self.plan(&parse(sql)?, own).await?;
        let mut rows = self.execute(plan).await?;
        let Some(batch) = rows.next().await.transpose()? else {
            return Ok(None);
        };
        let text = |column: &arrow::array::ArrayRef| -> Result<String> {
            let texts = arrow::compute::cast(column, &arrow::datatypes::DataType::Utf8)
                .map_err(datafusion::error::DataFusionError::from)?;
            let texts = texts.as_string::<i32>();
            Ok(texts.iter().next().flatten().unwrap_or("null").to_owned())
        };
        batch
            .columns()
            .iter()
            .map(text)
            .collect::<Result<_>>()
            .map(Some)
    }
}

/// The names of a key's columns.
pub(super) fn key_columns(target: &Target, key: &Key) -> Vec<String> {
    let name = |id: &i32| {
        target
            .schema()
            .field_by_id(*id)
            .map(|field| field.name.clone())
    };
    key.columns.iter().filter_map(name).collect()
}

fn duplicate(key: &Key, names: &[String], values: &[String]) -> QueryError {
    let (names, values) = (names.join(", "), values.join(", "));
    QueryError {
        detail: Some(format!("Key ({names})=({values}) already exists.")),
        ..refuse(
            "23505",
            format!(
                "duplicate key value violates unique constraint \"{}\"",
                key.name
            ),
        )
    }
}
