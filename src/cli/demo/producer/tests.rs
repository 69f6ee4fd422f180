use std::sync::Mutex;

use async_trait::async_trait;

use super::*;
use crate::generate::BASE_TIME_MS;
use crate::seams::SystemClock;

type Log = Vec<Vec<Vec<u8>>>;

/// A topic in memory that can fail in the middle of an append, each partition at its own place.
struct Memory {
    log: Arc<Mutex<Log>>,
    appends_until_crash: Option<u32>,
}

#[async_trait]
impl Outlet for Memory {
    async fn ends(&mut self) -> anyhow::Result<Vec<i64>> {
        let log = self.log.lock().unwrap();
        Ok(log
            .iter()
            .map(|p| i64::try_from(p.len()).unwrap())
            .collect())
    }

    async fn append(&mut self, batch: &Batch) -> anyhow::Result<()> {
        let mut log = self.log.lock().unwrap();
        let crashes = match &mut self.appends_until_crash {
            Some(0) => true,
            Some(left) => {
                *left -= 1;
                false
            }
            None => false,
        };
        for record in &batch.records {
            let partition = usize::try_from(record.partition).unwrap();
            // A crash leaves each partition with another prefix of its share.
            if crashes && log[partition].len() % 97 >= partition * 30 {
                continue;
            }
            log[partition].push(batch.bytes[record.payload.clone()].to_vec());
        }
        if crashes {
            bail!("the machine went away");
        }
        Ok(())
    }
}

fn producer(log: &Arc<Mutex<Log>>, wanted: u64, crash: Option<u32>) -> Producer<Memory> {
    let figures = Arc::new(Figures::default());
    figures.committed.store(u64::MAX, Ordering::Relaxed);
    Producer {
        plan: Plan::new(3, BASE_TIME_MS, 20_000),
        then: Then::UpTo(wanted),
        outlet: Memory {
            log: Arc::clone(log),
            appends_until_crash: crash,
        },
        clock: Arc::new(SystemClock::default()),
        figures,
    }
}

fn empty() -> Arc<Mutex<Log>> {
    Arc::new(Mutex::new(vec![Vec::new(); 3]))
}

#[tokio::test]
async fn a_restart_goes_on_with_no_repeat_and_no_gap() {
    let whole = empty();
    let stop = CancellationToken::new();
    producer(&whole, 20_000, None)
        .run(stop.clone())
        .await
        .unwrap();

    let broken = empty();
    for crash in [3, 0, 2] {
        let result = producer(&broken, 20_000, Some(crash))
            .run(stop.clone())
            .await;
        assert!(result.is_err());
    }
    let held: usize = broken.lock().unwrap().iter().map(Vec::len).sum();
    assert!(held > 6_000 && held < 20_000, "{held}");
    producer(&broken, 20_000, None).run(stop).await.unwrap();
    assert!(
        *whole.lock().unwrap() == *broken.lock().unwrap(),
        "the logs differ"
    );
}

#[tokio::test]
async fn makes_exactly_as_many_as_wanted() {
    for wanted in [1, 2_500, 20_000, 23_123] {
        let log = empty();
        let stop = CancellationToken::new();
        producer(&log, wanted, None)
            .run(stop.clone())
            .await
            .unwrap();
        let count = |log: &Log| log.iter().map(Vec::len).sum::<usize>() as u64;
        assert_eq!(count(&log.lock().unwrap()), wanted);
        // Once more changes nothing.
        producer(&log, wanted, None).run(stop).await.unwrap();
        assert_eq!(count(&log.lock().unwrap()), wanted);
    }
}

#[tokio::test]
async fn waits_for_a_sink_that_is_far_behind() {
    let log = empty();
    let stop = CancellationToken::new();
    let mut slow = producer(&log, 400_000, None);
    slow.plan = Plan::new(3, BASE_TIME_MS, 400_000);
    slow.figures.committed.store(0, Ordering::Relaxed);
    let figures = Arc::clone(&slow.figures);
    let task = tokio::spawn(slow.run(stop.clone()));
    while figures.events() < LARGEST_LEAD {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    tokio::time::sleep(Duration::from_millis(300)).await;
    assert!(figures.events() < LARGEST_LEAD + BATCH as u64);
    stop.cancel();
    task.await.unwrap().unwrap();
}
