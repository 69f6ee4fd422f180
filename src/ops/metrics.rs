//! The rooms' counters as Prometheus text, read at the moment of the scrape.
//! Names are `frazil_<room>_<thing>_<unit>[_total]`; labels are few and bounded (streams, models).

use std::fmt;
use std::sync::Arc;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric, MetricEncoder, NoLabelSet};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;
use prometheus_client::registry::Registry;

/// Whether a figure only rises.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FigureKind {
    /// Shown with `_total` at its end.
    Counter,
    Gauge,
    /// Counts of observations up to bounds.
    Histogram,
}

/// One figure at one moment. All of one name must have the same kind, help and label names.
#[derive(Clone, Debug, PartialEq)]
pub struct Figure {
    /// Without `frazil_` and `_total`.
    pub name: &'static str,
    pub help: &'static str,
    pub kind: FigureKind,
    pub labels: Vec<(&'static str, String)>,
    /// Of a histogram the sum of all that was observed.
    pub value: f64,
    /// Of a histogram: how many lie up to each bound but above the one before; the last bound is
    /// `f64::MAX`.
    pub buckets: Vec<(f64, u64)>,
}

impl Figure {
    pub fn counter(name: &'static str, help: &'static str, value: f64) -> Self {
        Self::new(name, help, FigureKind::Counter, value)
    }

    pub fn gauge(name: &'static str, help: &'static str, value: f64) -> Self {
        Self::new(name, help, FigureKind::Gauge, value)
    }

    pub fn histogram(
        name: &'static str,
        help: &'static str,
        buckets: Vec<(f64, u64)>,
        sum: f64,
    ) -> Self {
        Self {
            buckets,
            ..Self::new(name, help, FigureKind::Histogram, sum)
        }
    }

    fn new(name: &'static str, help: &'static str, kind: FigureKind, value: f64) -> Self {
        Self {
            name,
            help,
            kind,
            labels: Vec::new(),
            value,
            buckets: Vec::new(),
        }
    }

    #[must_use]
    pub fn label(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.labels.push((name, value.into()));
        self
    }
}

/// Whoever has figures; asked at each scrape, must answer at once.
pub type FigureSource = Arc<dyn Fn() -> Vec<Figure> + Send + Sync>;

struct Source(FigureSource);

impl fmt::Debug for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Source")
    }
}

impl Collector for Source {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), fmt::Error> {
        let mut figures = (self.0)();
        // One block of each name: the format wants its lines together.
        figures.sort_by_key(|figure| figure.name);
        for family in figures.chunk_by(|a, b| a.name == b.name) {
            let first = &family[0];
            let kind = match first.kind {
                FigureKind::Counter => MetricType::Counter,
                FigureKind::Gauge => MetricType::Gauge,
                FigureKind::Histogram => MetricType::Histogram,
            };
            let mut encoder = encoder.encode_descriptor(first.name, first.help, None, kind)?;
            if let ([figure], true) = (family, first.labels.is_empty()) {
                write(figure, encoder)?;
                continue;
            }
            for figure in family {
                let labels: Vec<(&str, &str)> = figure
                    .labels
                    .iter()
                    .map(|(name, value)| (*name, value.as_str()))
                    .collect();
                write(figure, encoder.encode_family(&labels)?)?;
            }
        }
        Ok(())
    }
}

fn write(figure: &Figure, mut encoder: MetricEncoder<'_>) -> Result<(), fmt::Error> {
    match figure.kind {
        FigureKind::Counter => ConstCounter::new(figure.value).encode(encoder),
        FigureKind::Gauge => ConstGauge::new(figure.value).encode(encoder),
        FigureKind::Histogram => {
            let count = figure.buckets.iter().map(|(_, count)| count).sum();
            encoder.encode_histogram::<NoLabelSet>(figure.value, count, &figure.buckets, None)
        }
    }
}

/// All figures of the process.
#[derive(Debug)]
pub struct Metrics(Registry);

impl Metrics {
    pub fn new(sources: Vec<FigureSource>) -> Self {
        let mut registry = Registry::with_prefix("frazil");
        for source in sources {
            registry.register_collector(Box::new(Source(source)));
        }
        Self(registry)
    }

    /// The text of `/metrics` (OpenMetrics, which Prometheus reads).
    pub fn text(&self) -> Result<String, fmt::Error> {
        let mut text = String::new();
        prometheus_client::encoding::text::encode(&mut text, &self.0)?;
        Ok(text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_become_lines() {
        let source: FigureSource = Arc::new(|| {
            vec![
                Figure::counter("sink_rows_committed", "Rows made visible", 5.0)
                    .label("stream", "a"),
                Figure::gauge("sink_lag_records", "Records behind", 7.0).label("stream", "a"),
                Figure::counter("sink_rows_committed", "Rows made visible", 6.0)
                    .label("stream", "b"),
            ]
        });
        let text = Metrics::new(vec![source]).text().unwrap();
        assert!(
            text.contains("# TYPE frazil_sink_rows_committed counter"),
            "{text}"
        );
        assert!(
            text.contains("frazil_sink_rows_committed_total{stream=\"a\"} 5"),
            "{text}"
        );
        assert!(
            text.contains("frazil_sink_rows_committed_total{stream=\"b\"} 6"),
            "{text}"
        );
        assert!(
            text.contains("frazil_sink_lag_records{stream=\"a\"} 7"),
            "{text}"
        );
        assert_eq!(text.matches("# TYPE").count(), 2, "{text}");
        assert!(text.ends_with("# EOF\n"));
    }
}
