//! A Spark in a process of its own, on a house's catalog.

use std::io::{BufRead as _, BufReader, Write as _};
use std::process::{Child, ChildStdin, ChildStdout, Stdio};

use serde_json::{Value, json};

use super::house::House;
use super::spark_tables::Step;
use crate::parts;

pub struct Spark {
    child: Child,
    input: ChildStdin,
    output: BufReader<ChildStdout>,
}

impl Spark {
    pub fn start(house: &House) -> Self {
        let (mut python, jars) = parts::spark();
        let log = std::fs::File::create(house.file("spark.log")).unwrap();
        let mut child = python
            .arg(parts::tests_file("readers/spark.py"))
            .arg(jars)
            .arg(house.catalog())
            .arg(
                house
                    .file("")
                    .as_os_str()
                    .to_str()
                    .unwrap()
                    .trim_end_matches('/'),
            )
            .current_dir(house.file(""))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(log)
            .spawn()
            .expect("Python runs");
        Self {
            input: child.stdin.take().unwrap(),
            output: BufReader::new(child.stdout.take().unwrap()),
            child,
        }
    }

    fn ask(&mut self, command: &Value) -> Result<Vec<String>, String> {
        let mut line = String::new();
        let told = writeln!(self.input, "{command}").and_then(|()| self.input.flush());
        let read = told.and_then(|()| self.output.read_line(&mut line));
        let answer: Value = match read {
            Ok(length) if length > 0 => serde_json::from_str(&line).unwrap(),
            _ => return Err("Spark ended: see spark.log".to_owned()),
        };
        if let Some(error) = answer["error"].as_str() {
            return Err(format!("{command}: {error}"));
        }
        let rows = answer["rows"].as_array().unwrap().iter();
        Ok(rows.map(|row| row.as_str().unwrap().to_owned()).collect())
    }

    /// Rows in the words of `read_values.py`.
    pub fn sql(&mut self, text: &str) -> Result<Vec<String>, String> {
        self.ask(&json!({"sql": text}))
    }

    pub fn step(&mut self, table: &str, step: &Step) -> Result<(), String> {
        let command = match step {
            Step::Sql(text) => json!({"sql": text}),
            Step::EqualityDelete(columns, rows, partition) => {
                let rows: Value = serde_json::from_str(rows).unwrap();
                json!({"delete": table, "columns": columns, "rows": rows, "partition": partition})
            }
            Step::DefaultColumn(column, value) => {
                json!({"default": table, "column": column, "value": value})
            }
        };
        self.ask(&command).map(|_| ())
    }
}

impl Drop for Spark {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
