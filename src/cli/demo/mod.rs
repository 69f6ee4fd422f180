//! `frazil demo`: everything in one folder, from events to tables to SQL, on one's own machine.

mod embedded;
mod finish;
mod folder;
mod guard;
mod kafka;
mod outlet;
mod plan;
mod producer;
mod progress;
mod trouble;
mod watch;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, anyhow};
use clap::Args;

use self::embedded::EmbeddedOutlet;
use self::finish::{Finish, Summary};
use self::folder::{CONFIG, Folder, LOG, READER, Wanted};
use self::guard::Guard;
use self::kafka::KafkaOutlet;
use self::outlet::Outlet;
use self::plan::Plan;
use self::producer::{Figures, Producer, Then};
use self::progress::{Progress, say};
use self::trouble::Trouble;
use self::watch::Watch;
use super::exit::{Exit, Failure};
use super::serve::{advice, exit_of, open_failure};
use crate::config::{Config, SourceConfig, parse_bytes};
use crate::runtime::signals::stop_signal;
use crate::runtime::supervisor::{Service, Stage};
use crate::runtime::{Declared, EMBEDDED_LOG_BYTES, Process, Roles, Runtimes};
use crate::seams::{Clock, OsEntropy, SystemClock};
use crate::telemetry::{self, Form, Output};

/// Run everything in one folder: events of a shop, tables, models, and SQL over the Postgres wire
#[derive(Debug, Args)]
#[command(
    after_help = "Start it again in the same folder and it goes on where it stopped. \
Remove the folder and all of it is gone."
)]
pub(super) struct Options {
    /// The folder; made when it isn't there
    #[arg(long, value_name = "DIR", default_value = "frazil-demo")]
    dir: PathBuf,
    /// Use a Kafka instead of the embedded log
    #[arg(long, value_name = "HOST:PORT")]
    kafka: Option<String>,
    /// Records of the history, repeats and malformed ones among them [default: 200000]
    #[arg(long, value_name = "N")]
    events: Option<u64>,
    /// End when all of the history is committed and each model ran on it
    #[arg(long)]
    exit: bool,
    /// Port of the Postgres wire, 0 for a free one [default: as in frazil.toml, 5433 at first]
    #[arg(long, value_name = "PORT")]
    port: Option<u16>,
    /// Port of health and metrics, 0 for a free one [default: as in frazil.toml, 9433 at first]
    #[arg(long, value_name = "PORT")]
    ops_port: Option<u16>,
    /// Live events in a second, about
    #[arg(long, value_name = "RATE", default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..=5_000))]
    rate: u32,
    /// Pause the producer when the folder has grown to this size
    #[arg(long, value_name = "SIZE", default_value = "4 GiB", value_parser = parse_bytes)]
    disk_limit: u64,
}

const HISTORY: u64 = 200_000;
const SEED: u64 = 1;
/// Partitions of a topic that the demo makes.
const PARTITIONS: i32 = 4;
const LARGEST_LOG_FILE_BYTES: u64 = 8 << 20;
const LOOK_BEAT: Duration = Duration::from_millis(500);

/// What the introduction offers to try.
const QUERIES: [&str; 3] = [
    "SELECT type, count(*) FROM shop.events GROUP BY type ORDER BY 2 DESC;",
    "SELECT * FROM curated.revenue_by_category ORDER BY day DESC, revenue DESC LIMIT 10;",
    "SELECT model, state, rows, started_at FROM system.runs ORDER BY started_at DESC LIMIT 10;",
];

pub(super) fn run(options: &Options) -> Result<Exit, Failure> {
    let now_ms = SystemClock::default().now_ms();
    let folder = Folder::open(
        &options.dir,
        &Wanted {
            plan: Plan::new(SEED, now_ms, options.events.unwrap_or(HISTORY)),
            kafka: options.kafka.as_deref(),
            entropy: &OsEntropy,
        },
    )?;
    let config = configuration(options, &folder)?;
    let log = folder.path.join(LOG);
    let output = Output::file(&log, LARGEST_LOG_FILE_BYTES)
        .with_context(|| format!("{} can't be written", log.display()))?;
    telemetry::init(Form::Text, &config.telemetry.filter, output).map_err(Failure::usage)?;
    let runtimes = Runtimes::start().context("threads can't be started")?;
    let result = runtimes.block_on(demo(options, folder, config, &runtimes));
    runtimes.end();
    result.map_err(|mut failure| {
        let text = format!("{:#}", failure.error);
        let better = advice(&text);
        if better != text {
            failure.error = anyhow!(better);
        }
        failure
    })
}

/// The folder's configuration with what the command line says about ports and Kafka.
fn configuration(options: &Options, folder: &Folder) -> Result<Config, Failure> {
    let mut config = Config::load(&folder.path.join(CONFIG)).map_err(Failure::usage)?;
    if let Some(port) = options.port {
        config.wire.listen.set_port(port);
    }
    if let Some(port) = options.ops_port {
        config.ops.listen.set_port(port);
    }
    if options.exit {
        // Nobody watches it grow: don't wait for the last batch's time to come.
        config.streams.commit_interval = Some(Duration::from_secs(1));
    }
    match (&mut config.source, &options.kafka) {
        (_, None) => {}
        (SourceConfig::Kafka { brokers, .. }, Some(address)) => brokers.clone_from(address),
        (SourceConfig::Embedded { .. }, Some(_)) => {
            return Err(Failure::usage(anyhow!(
                "the demo in {} was made with the embedded log: name another folder with --dir \
                 for Kafka",
                folder.path.display()
            )));
        }
    }
    Ok(config)
}

async fn demo(
    options: &Options,
    folder: Folder,
    config: Config,
    runtimes: &Runtimes,
) -> Result<Exit, Failure> {
    let asked = stop_signal().context("signals can't be handled")?;
    let declared = Declared::load(&config).map_err(Failure::usage)?;
    let topic = match declared.streams.first() {
        Some(stream) => stream.topic.clone(),
        None => return Err(Failure::usage(anyhow!("catalog/ holds no stream"))),
    };
    let config = Arc::new(config);
    let mut process = Process::open(Arc::clone(&config), declared, runtimes)
        .await
        .map_err(open_failure)?;
    let shared = process.shared().clone();
    let outlet: Box<dyn Outlet> = match (&config.source, &shared.log) {
        (SourceConfig::Kafka { brokers, settings }, _) => {
            Box::new(KafkaOutlet::open(brokers, settings, &topic, PARTITIONS).await?)
        }
        (_, Some(log)) => Box::new(EmbeddedOutlet::open(log.clone(), &topic, PARTITIONS).await?),
        (_, None) => return Err(anyhow!("the process opened no event log").into()),
    };
    process.start(&Roles::all()).await.map_err(port_advice)?;

    let figures = Arc::new(Figures::default());
    let watch = Watch::new(shared.clone(), Arc::clone(&figures));
    watch.look().await?;
    process.tell_waits(|text| say(&format!("stopping: {text}")));
    say(&introduction(options, &folder, &process));
    let guard = Guard {
        path: folder.path.clone(),
        limit_bytes: options.disk_limit,
        clock: Arc::clone(&shared.lake.clock),
        figures: Arc::clone(&figures),
    };
    guard.look().await.map_err(|error| anyhow!(error))?;
    let wanted = options.events.unwrap_or(folder.plan.history);
    let producer = Producer {
        plan: folder.plan.clone(),
        then: match options.exit {
            true => Then::UpTo(wanted),
            false => Then::Live {
                per_second: f64::from(options.rate),
            },
        },
        outlet,
        clock: Arc::clone(&shared.lake.clock),
        figures: Arc::clone(&figures),
    };
    let service = Service::new("producer", Stage::Producer, |stop| async move {
        producer
            .run(stop)
            .await
            .map_err(|error| format!("{error:#}"))
    });
    process.add(Service::new("disk guard", Stage::Producer, |stop| {
        guard.run(stop)
    }));
    process.add(service.may_end());

    let progress = Progress::new();
    let mut outcome = None;
    let ending = {
        let outcome = &mut outcome;
        let clock = Arc::clone(&shared.lake.clock);
        process
            .run(async move {
                if options.exit {
                    let finish = Finish {
                        shared,
                        watch,
                        progress,
                        wanted,
                    };
                    *outcome = Some(tokio::select! {
                        result = finish.wait() => result,
                        signal = asked => Err(anyhow!("{signal} before all was committed")),
                    });
                } else {
                    tokio::select! {
                        signal = asked => tracing::info!(signal, "stops in order"),
                        () = show(watch, progress, clock) => {}
                    }
                    say("\nstopping in order, the last events are committed");
                }
            })
            .await
    };
    conclude(&exit_of(&ending), outcome, &folder)
}

/// What is said last.
fn conclude(
    exit: &Exit,
    outcome: Option<anyhow::Result<Summary>>,
    folder: &Folder,
) -> Result<Exit, Failure> {
    match (exit, outcome) {
        (Exit::Done, Some(Ok(summary))) => {
            say(&format!("\n{summary}"));
            Ok(Exit::Done)
        }
        (Exit::Done, Some(Err(error))) => Err(error.into()),
        (Exit::Done, None) => {
            say(&format!(
                "stopped; `frazil demo --dir {}` goes on from here",
                folder.path.display()
            ));
            Ok(Exit::Done)
        }
        (exit, _) => Ok(*exit),
    }
}

/// Shows how it goes until it is dropped.
async fn show(watch: Watch, mut progress: Progress, clock: Arc<dyn Clock>) {
    let mut trouble = Trouble::default();
    loop {
        match watch.look().await {
            Ok(seen) => progress.show(clock.elapsed(), seen),
            Err(error) => tracing::warn!(%error, "no progress can be shown"),
        }
        trouble.look(&watch).await;
        clock.sleep(LOOK_BEAT).await;
    }
}

fn introduction(options: &Options, folder: &Folder, process: &Process) -> String {
    let (host, port) = match process.wire_address() {
        Some(address) => (address.ip().to_string(), address.port()),
        None => ("127.0.0.1".to_owned(), 0),
    };
    let ops = process.ops_address().map_or_else(String::new, |address| {
        format!("http://{address}/health, /ready and /metrics")
    });
    let password = &folder.reader_password;
    let place = folder.path.display();
    let log_mib = EMBEDDED_LOG_BYTES >> 20;
    let limit_mib = options.disk_limit >> 20;
    let stop = match options.exit {
        true => "It ends by itself.",
        false => "Ctrl-C stops it in order; start it again and it goes on.",
    };
    format!(
        "Frazil's demo in {place}
  events of a shop are made, committed to Iceberg tables and summed up by eight models
  disk: the event log keeps {log_mib} MiB and what is unread, logs 16 MiB, and at {limit_mib} MiB in all the producer pauses
  health: {ops}

  PGPASSWORD={password} psql -h {host} -p {port} -U {READER} frazil

  {}

{stop}
",
        QUERIES.join("\n  ")
    )
}

/// A busy port is told with the flag that chooses another.
fn port_advice(error: crate::runtime::OpenError) -> Failure {
    let mut failure = open_failure(error);
    let text = failure.error.to_string();
    if text.contains("in use") {
        let flag = if text.contains("ops.listen") {
            "--ops-port"
        } else {
            "--port"
        };
        failure.error = anyhow!("{text}; for the demo that is {flag} PORT (0 takes a free one)");
    }
    failure
}
