//! The same question to another engine and to Frazil: the answers, and what is different in them.

use std::fs::File;

use arrow::record_batch::RecordBatch;
use frazil::lake::commit::FileChange;
use frazil::lake::writer::TableWriter;
use parquet::arrow::ArrowWriter;

use super::house::House;
use super::values;

/// Two answers that are to be the same; ours is in a file until Python has put it into words.
struct Pair {
    question: String,
    theirs: Vec<String>,
    ours: Option<String>,
}

/// What was asked of both, and what has gone wrong already.
#[derive(Default)]
pub struct Notes {
    pairs: Vec<Pair>,
    pub wrong: Vec<String>,
}

impl Notes {
    pub fn len(&self) -> usize {
        self.pairs.len()
    }

    /// Asks Frazil, whose answer is to be this.
    pub async fn ask(&mut self, house: &House, question: &str, theirs: Vec<String>) {
        let batches = match house.lakehouse.sql(question).await {
            Ok(batches) => batches,
            Err(error) => return self.wrong.push(format!("{question}: {error}")),
        };
        let file = house.file(&format!("answer-{}.parquet", self.pairs.len()));
        let ours = batches.first().map(|first| {
            let out = File::create(&file).unwrap();
            let mut writer = ArrowWriter::try_new(out, first.schema(), None).unwrap();
            for batch in &batches {
                writer.write(batch).unwrap();
            }
            writer.close().unwrap();
            file.display().to_string()
        });
        self.pairs.push(Pair {
            question: question.to_owned(),
            theirs,
            ours,
        });
    }

    /// All that is wrong, one line each.
    pub fn conclude(mut self) -> Vec<String> {
        let files: Vec<String> = self.pairs.iter().filter_map(|p| p.ours.clone()).collect();
        let mut answers = values::run(&[vec!["answers".to_owned()], files].concat()).into_iter();
        for pair in &self.pairs {
            let ours: Vec<String> = match pair.ours {
                Some(_) => serde_json::from_str(&answers.next().unwrap()).unwrap(),
                None => Vec::new(),
            };
            if ours == pair.theirs {
                continue;
            }
            let cut = |row: Option<&&String>| row.map(|r| r.chars().take(600).collect::<String>());
            let more: Vec<&String> = ours.iter().filter(|r| !pair.theirs.contains(r)).collect();
            let less: Vec<&String> = pair.theirs.iter().filter(|r| !ours.contains(r)).collect();
            self.wrong.push(format!(
                "{}: {} rows of ours, {} of theirs; only ours {:?}, only theirs {:?}",
                pair.question,
                ours.len(),
                pair.theirs.len(),
                cut(more.first()),
                cut(less.first()),
            ));
        }
        self.wrong
    }
}

/// Writes all rows of a table once more, as a job writes.
pub async fn write_again(house: &House, rows: &[RecordBatch]) -> Result<(), String> {
    let table = house.table().await;
    let mut writer = TableWriter::new(&table).map_err(|error| error.to_string())?;
    for batch in rows {
        let written = writer.write(batch.clone()).await;
        written.map_err(|error| error.to_string())?;
    }
    let files = writer.finish().await.map_err(|error| error.to_string())?;
    let change = house.change(FileChange::Append(files));
    let committed = house.try_commit(change).await;
    committed.map_err(|error| error.to_string())
}
