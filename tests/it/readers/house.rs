//! A lakehouse in a folder, with one table that is written as the sink and the jobs write.

use frazil::Lakehouse;
use frazil::config::{Config, DatabaseConfig};
use frazil::domain::TableName;
use frazil::lake::Table;
use frazil::lake::commit::{Commit, CommitError, FileChange, NewTable, TableChange};
use frazil::lake::writer::TableWriter;
use frazil::runtime::open_lake;
use iceberg::spec::DataFile;

pub struct House {
    folder: tempfile::TempDir,
    pub lakehouse: Lakehouse,
    pub name: TableName,
}

impl House {
    pub async fn new(name: &str, table: NewTable) -> Self {
        let house = Self::empty(name).await;
        let mut change = house.change(FileChange::Nothing);
        change.create = Some(table);
        house.commit(change).await;
        house
    }

    /// Nothing in it yet; others may make the table.
    pub async fn empty(name: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("frazil.toml");
        std::fs::write(&file, "version = 1\n[lake]\nwarehouse = \".\"\n").unwrap();
        let config = Config::load(&file).unwrap();
        open_lake(&config).await.unwrap();
        Self {
            folder,
            lakehouse: Lakehouse::open_config(config).await.unwrap(),
            name: name.parse().unwrap(),
        }
    }

    pub fn file(&self, name: &str) -> std::path::PathBuf {
        self.folder.path().join(name)
    }

    /// The catalog's file.
    pub fn catalog(&self) -> String {
        let DatabaseConfig::Sqlite(file) = self.lakehouse.config().lake.catalog.control() else {
            panic!("a folder's catalog is an SQLite file")
        };
        file.display().to_string()
    }

    /// The catalog in SQLAlchemy's spelling.
    pub fn uri(&self) -> String {
        format!("sqlite:///{}", self.catalog())
    }

    pub async fn table(&self) -> Table {
        self.lakehouse.lake().table(&self.name).await.unwrap()
    }

    pub fn change(&self, files: FileChange) -> TableChange {
        TableChange::new(self.name.clone(), files)
    }

    pub async fn commit(&self, change: TableChange) {
        self.try_commit(change).await.unwrap();
    }

    pub async fn try_commit(&self, change: TableChange) -> Result<(), CommitError> {
        let lake = self.lakehouse.lake();
        let commit = Commit {
            id: lake.entropy.uuid(),
            changes: vec![change],
            guards: Vec::new(),
        };
        lake.commit(&commit).await.map(|_| ())
    }

    /// Files of these rows, each row in a row group of its own.
    pub async fn write(&self, rows: &[serde_json::Value]) -> Vec<DataFile> {
        let mut writer = TableWriter::new(&self.table().await).unwrap();
        for row in rows {
            let mut decoder = arrow::json::ReaderBuilder::new(writer.schema())
                .build_decoder()
                .unwrap();
            decoder.serialize(&[row]).unwrap();
            writer
                .write(decoder.flush().unwrap().unwrap())
                .await
                .unwrap();
        }
        writer.finish().await.unwrap()
    }

    pub async fn append(&self, rows: &[serde_json::Value]) {
        let files = self.write(rows).await;
        self.commit(self.change(FileChange::Append(files))).await;
    }
}
