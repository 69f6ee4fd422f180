//! `frazil stream`: what a person says to a stream that has stopped, and where it stands.

mod show;

use std::io::{self, Write};
use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};

use super::exit::{Exit, Failure};
use super::output::written;
use crate::config::Config;
use crate::declare::stream::Start;
use crate::lake;
use crate::runtime::{OpenError, Operator, STACK_BYTES};
use crate::sink::operator::{self, Removed};
use crate::sink::source::{Source, SourceIdentity};

/// Show where a stream stands, and let one go on that stopped
#[derive(Debug, Args)]
#[command(
    after_help = "A stream that could lose or double records stops, and says why in \
system.streams and in the log. Each of these commands is one commit to its tables; a running sink \
looks every 30 seconds whether it may go on."
)]
pub(super) struct Options {
    #[command(subcommand)]
    action: Action,
    /// The configuration
    #[arg(
        long,
        value_name = "FILE",
        default_value = "frazil.toml",
        global = true
    )]
    config: PathBuf,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Next offset and epoch of each partition, and what the topic still has
    Show { stream: String },
    /// Read the topic that now bears the name, in place of one that was deleted
    ///
    /// Rows of both stay in the table, told apart by _topic_id.
    AcceptTopic {
        stream: String,
        /// Where the new topic is read from
        #[arg(long, value_enum, default_value_t = Begin::Earliest)]
        start: Begin,
    },
    /// Go on after somebody rolled the event table back
    ///
    /// The records whose rows are gone are read again, as far as the topic still has them; dead
    /// letters are another table, so theirs come again.
    AcceptRollback {
        stream: String,
        /// Don't read them again: what was rolled off stays out of the table
        #[arg(long)]
        leave_out: bool,
    },
    /// Make and fill a new event table in place of one that was dropped
    ///
    /// It is filled from the contract's start; dead letters are another table, so theirs come
    /// again.
    AcceptTable { stream: String },
    /// Read one partition from this offset on
    ///
    /// Rows already in the table stay: setting it back reads records a second time, setting it
    /// forward leaves them out.
    SetOffset {
        stream: String,
        partition: i32,
        offset: i64,
    },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Begin {
    /// Its beginning
    Earliest,
    /// Its end as it is now
    Latest,
}

impl Action {
    fn stream(&self) -> &str {
        match self {
            Self::Show { stream }
            | Self::AcceptTopic { stream, .. }
            | Self::AcceptRollback { stream, .. }
            | Self::AcceptTable { stream }
            | Self::SetOffset { stream, .. } => stream,
        }
    }
}

pub(super) fn run(options: &Options) -> Result<Exit, Failure> {
    let config = Config::load(&options.config).map_err(Failure::usage)?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .thread_stack_size(STACK_BYTES)
        .enable_all()
        .build()?;
    let done = runtime.block_on(async {
        let open = Operator::open(&config, options.action.stream()).await;
        let at = open.map_err(|error| match error {
            OpenError::Declared(_) | OpenError::Missing(_) => Failure::usage(error),
            other => other.into(),
        })?;
        let done = act(&at, &options.action).await;
        at.close().await;
        done.map_err(Failure::from)
    });
    runtime.shutdown_background();
    written(io::stdout().write_all(done?.as_bytes()))?;
    Ok(Exit::Done)
}

async fn act(at: &Operator, action: &Action) -> lake::Result<String> {
    match action {
        Action::Show { .. } => show::show(at).await,
        Action::AcceptTopic { start, .. } => accept_topic(at, *start).await,
        Action::AcceptRollback { leave_out, .. } => accept_rollback(at, *leave_out).await,
        Action::AcceptTable { .. } => {
            operator::accept_table(&at.lake, &at.stream).await?;
            Ok(format!(
                "a new table {} will be made and filled from the contract's start\n",
                at.stream.table
            ))
        }
        Action::SetOffset {
            partition, offset, ..
        } => set_offset(at, *partition, *offset).await,
    }
}

async fn accept_topic(at: &Operator, start: Begin) -> lake::Result<String> {
    let start = match start {
        Begin::Earliest => Start::Earliest,
        Begin::Latest => Start::Latest,
    };
    let mut source = at.source().await?;
    let accepted = operator::accept_topic(&at.lake, &at.stream, source.as_mut(), start).await;
    let _ = source.close().await;
    let SourceIdentity {
        topic, topic_id, ..
    } = accepted?;
    Ok(format!("topic {topic} (topic id {topic_id}) is accepted\n"))
}

async fn accept_rollback(at: &Operator, leave_out: bool) -> lake::Result<String> {
    let removed = match leave_out {
        true => Removed::LeaveOut,
        false => Removed::ReadAgain,
    };
    let moved = operator::accept_rollback(&at.lake, &at.stream, removed).await?;
    let mut said = format!("the rollback of {} is accepted\n", at.stream.table);
    for (source, from, to) in moved {
        if to.next != from.next {
            said += &format!(
                "partition {} is read again from offset {}, in place of {}\n",
                source.partition, to.next, from.next
            );
        }
    }
    Ok(said)
}

async fn set_offset(at: &Operator, partition: i32, offset: i64) -> lake::Result<String> {
    let mut source = at.source().await?;
    let set = check_and_set(at, source.as_mut(), partition, offset).await;
    let _ = source.close().await;
    set.map(|()| format!("partition {partition} is read from offset {offset} on\n"))
}

/// An offset that the topic hasn't got would be lost or stop the stream once more.
async fn check_and_set(
    at: &Operator,
    source: &mut dyn Source,
    partition: i32,
    offset: i64,
) -> lake::Result<()> {
    let identity = source.identity().await?;
    if !(0..identity.partitions).contains(&partition) {
        return Err(lake::Error::invalid(format!(
            "topic {} has partitions 0 to {}, and no {partition}",
            identity.topic,
            identity.partitions - 1
        )));
    }
    let has = source.watermarks(partition).await?;
    if offset < has.low || offset > has.high {
        return Err(lake::Error::invalid(format!(
            "partition {partition} of topic {} can be read from {} to {} (its end), not from {offset}",
            identity.topic, has.low, has.high
        )));
    }
    operator::set_offsets(&at.lake, &at.stream, &identity, &[(partition, offset)]).await
}
