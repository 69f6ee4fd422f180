//! `frazil stream show`: the ledger beside what the topic still has, and what the sink last said.

use std::fmt::Write as _;

use crate::domain::LedgerEntry;
use crate::lake;
use crate::runtime::Operator;
use crate::sink::operator;
use crate::sink::source::Source;
use crate::sink::status::WHOLE_STREAM;

/// The lines to print. A source that is away is said, and the ledger shown all the same.
pub(super) async fn show(at: &Operator) -> lake::Result<String> {
    let mut said = String::new();
    for line in at.lake.control.stream_status().await? {
        if line.stream == at.stream.name && line.partition == WHOLE_STREAM {
            let message = line.message.map(|text| format!(": {text}"));
            let _ = writeln!(said, "{}{}", line.state, message.unwrap_or_default());
        }
    }
    let ledger = operator::ledger(&at.lake, &at.stream).await?;
    let entries: Vec<LedgerEntry> = ledger.entries().collect();
    let mut source = match at.source().await {
        Ok(source) => Some(source),
        Err(error) => {
            let _ = writeln!(said, "{error}");
            None
        }
    };
    let now = match &mut source {
        Some(source) => Some(source.identity().await?.topic_id),
        None => None,
    };
    for entry in &entries {
        let has = match &mut source {
            Some(source) if now.as_ref() == Some(&entry.source.topic_id) => {
                has(source.as_mut(), entry.source.partition).await
            }
            Some(_) => "that topic is gone".to_owned(),
            None => "?".to_owned(),
        };
        let _ = writeln!(
            said,
            "{}[{}] next {} epoch {} of topic id {}; {has}",
            entry.topic,
            entry.source.partition,
            entry.position.next,
            entry.position.epoch,
            entry.source.topic_id,
        );
    }
    if let Some(mut source) = source {
        let _ = source.close().await;
    }
    Ok(said)
}

async fn has(source: &mut dyn Source, partition: i32) -> String {
    match source.watermarks(partition).await {
        Ok(has) => format!("the topic has {} to {}", has.low, has.high),
        Err(error) => error.to_string(),
    }
}
