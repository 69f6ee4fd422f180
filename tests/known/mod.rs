//! A shop's records and what the shipped models make of them, worked out by hand. Shared by the
//! tests of the queries alone (`src/jobs`) and of the published tables (`tests/it/curated`).

use arrow::record_batch::RecordBatch;
use arrow::util::display::{ArrayFormatter, FormatOptions};

/// One record of `shop.records`.
#[derive(Clone, Copy, Debug)]
pub struct Known {
    pub payload: &'static str,
    /// Whether it becomes a row of the event table, and no dead letter.
    pub is_event: bool,
    /// Behind how many runs of the models it comes.
    pub run: usize,
}

/// All records in the log's order: the offset of each is its place.
pub fn records() -> Vec<Known> {
    let mut records = Vec::new();
    let mut run = 0;
    for line in include_str!("shop.records").lines() {
        let (is_event, payload) = match line.split_once(' ') {
            Some(("event", payload)) => (true, payload),
            Some(("bad", payload)) => (false, payload),
            _ if line == "--" => {
                run += 1;
                continue;
            }
            _ => {
                assert!(line.is_empty() || line.starts_with('#'), "{line}");
                continue;
            }
        };
        records.push(Known {
            payload,
            is_event,
            run,
        });
    }
    records
}

/// A shipped model's table over all records.
pub struct Expected {
    pub model: &'static str,
    pub columns: &'static [&'static str],
    /// As [`rows`] gives them.
    pub rows: &'static [&'static str],
}

/// The model's rows of [`EXPECTED`].
pub fn expected(model: &str) -> &'static Expected {
    let mut all = EXPECTED.iter();
    all.find(|expected| expected.model == model)
        .expect("a shipped model")
}

pub const EXPECTED: [Expected; 8] = [
    Expected {
        model: "daily_active_users_by_region",
        columns: &["day", "region", "users"],
        rows: &[
            "2026-01-05 eu 2",
            "2026-01-06 eu 1",
            "2026-01-06 us 1",
            "2026-01-11 us 1",
            "2026-01-12 - 1",
            "2026-01-12 eu 1",
        ],
    },
    Expected {
        model: "hourly_page_views",
        columns: &["hour", "user_id", "page_views"],
        rows: &[
            "2026-01-05T23:00:00Z anna 1",
            "2026-01-06T00:00:00Z anna 1",
            "2026-01-06T01:00:00Z anna 1",
            "2026-01-12T00:00:00Z ben 1",
            "2026-01-12T08:00:00Z dora 1",
        ],
    },
    Expected {
        model: "hourly_unique_visitors",
        columns: &["hour", "visitors"],
        rows: &[
            "2026-01-05T12:00:00Z 1",
            "2026-01-05T23:00:00Z 1",
            "2026-01-06T00:00:00Z 1",
            "2026-01-06T01:00:00Z 1",
            "2026-01-06T09:00:00Z 1",
            "2026-01-11T23:00:00Z 1",
            "2026-01-12T00:00:00Z 1",
            "2026-01-12T08:00:00Z 1",
        ],
    },
    Expected {
        model: "product_popularity",
        columns: &["day", "product_id", "views", "carts", "purchases"],
        rows: &[
            "2026-01-05 book 1 0 0",
            "2026-01-05 lamp 2 0 0",
            "2026-01-06 lamp 0 1 1",
            "2026-01-11 book 0 0 1",
            "2026-01-11 pen 0 0 1",
        ],
    },
    Expected {
        model: "purchase_funnel",
        columns: &["day", "step", "users"],
        rows: &[
            "2026-01-05 page_view 1",
            "2026-01-05 product_view 2",
            "2026-01-06 add_to_cart 1",
            "2026-01-06 page_view 1",
            "2026-01-06 purchase 1",
            "2026-01-11 purchase 1",
            "2026-01-12 page_view 2",
        ],
    },
    Expected {
        model: "revenue_by_category",
        columns: &["day", "category", "orders", "revenue"],
        rows: &["2026-01-06 home 1 19.90", "2026-01-11 media 2 6.25"],
    },
    Expected {
        model: "sessions",
        columns: &[
            "user_id",
            "session_start",
            "session_end",
            "events",
            "page_views",
        ],
        rows: &[
            "anna 2026-01-05T23:50:00Z 2026-01-06T00:50:00Z 5 2",
            "anna 2026-01-06T01:20:01Z 2026-01-06T01:20:01Z 1 1",
            "ben 2026-01-05T12:00:00Z 2026-01-05T12:30:00Z 2 0",
            "ben 2026-01-12T00:00:00Z 2026-01-12T00:00:00Z 1 1",
            "cleo 2026-01-11T23:59:59Z 2026-01-11T23:59:59Z 2 0",
            "dora 2026-01-12T08:15:00Z 2026-01-12T08:45:00Z 2 1",
        ],
    },
    Expected {
        model: "weekly_cohorts",
        columns: &["cohort_week", "week", "users"],
        rows: &[
            "2026-01-05 2026-01-05 3",
            "2026-01-05 2026-01-12 1",
            "2026-01-12 2026-01-12 1",
        ],
    },
];

/// Rows as text, values apart by a space, `-` for null; sorted.
pub fn rows(batches: &[RecordBatch]) -> Vec<String> {
    let options = FormatOptions::default().with_null("-");
    let mut rows = Vec::new();
    for batch in batches {
        let columns: Vec<ArrayFormatter<'_>> = batch
            .columns()
            .iter()
            .map(|column| ArrayFormatter::try_new(column, &options).expect("it can be shown"))
            .collect();
        for row in 0..batch.num_rows() {
            let cells: Vec<String> = columns.iter().map(|c| c.value(row).to_string()).collect();
            rows.push(cells.join(" "));
        }
    }
    rows.sort();
    rows
}
