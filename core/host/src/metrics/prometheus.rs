//! A snapshot as text for Prometheus (exposition format 0.0.4): for each family its HELP and TYPE, then all of its samples.

use std::fmt::{self, Display, Formatter, Write};
use std::ops::RangeInclusive;
use std::time::Duration;

use super::{Histogram, Metrics, NodeMetrics, RecordCounters, RequestCounters, SpoolMetrics, TopicMetrics};

/// [`Metrics`] as text. Serve it as `text/plain; version=0.0.4`.
#[derive(Clone, Copy, Debug)]
pub struct Prometheus<'m>(pub(super) &'m Metrics);

/// What a family's samples are.
#[derive(Clone, Copy)]
enum Kind {
    Counter,
    Gauge,
    Histogram,
    Summary,
}

/// Where a histogram's values are told apart in the text, as powers of two; and what its unit is to them.
struct Scale {
    powers: RangeInclusive<u32>,
    unit: Unit,
}

#[derive(Clone, Copy)]
enum Unit {
    One,
    Micros,
}

/// From 1 ms to 67 s.
const TIMES: Scale = Scale { powers: 10..=26, unit: Unit::Micros };
/// From 128 bytes to 1 MiB.
const SIZES: Scale = Scale { powers: 7..=20, unit: Unit::One };
/// From one to 16,384.
const NUMBERS: Scale = Scale { powers: 0..=14, unit: Unit::One };

impl Display for Prometheus<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let Self(metrics) = self;
        let mut text = Text { f, client_id: &metrics.client_id };
        text.producer(metrics)?;
        text.histograms(metrics)?;
        text.topics(&metrics.topics)?;
        text.nodes(&metrics.nodes)?;
        metrics.spool.as_ref().map_or(Ok(()), |spool| text.spool(spool))
    }
}

struct Text<'f, 'g> {
    f: &'f mut Formatter<'g>,
    client_id: &'f str,
}

impl Text<'_, '_> {
    fn producer(&mut self, metrics: &Metrics) -> fmt::Result {
        let Metrics { record_accepted_total, buffer_exhausted_total, .. } = *metrics;
        self.single(
            Kind::Counter,
            "record_accepted_total",
            "Records that send has accepted.",
            record_accepted_total,
        )?;
        for (name, help, of) in RecordCounters::FAMILIES {
            self.single(Kind::Counter, name, help, of(&metrics.records))?;
        }
        for (name, help, of) in RequestCounters::FAMILIES {
            self.single(Kind::Counter, name, help, of(&metrics.requests))?;
        }
        let help = "Records that send has refused because there was no memory for them in time.";
        self.single(Kind::Counter, "buffer_exhausted_total", help, buffer_exhausted_total)?;
        for (name, help, value) in [
            ("buffer_total_bytes", "Bytes of buffer.memory.", metrics.buffer_total_bytes),
            (
                "buffer_available_bytes",
                "Bytes of buffer.memory that are free.",
                metrics.buffer_available_bytes,
            ),
            ("requests_in_flight", "Requests that have no answer yet.", metrics.requests_in_flight),
            ("connections", "Open connections.", metrics.connection_count),
        ] {
            self.single(Kind::Gauge, name, help, value)?;
        }
        let Some(age) = metrics.metadata_age else { return Ok(()) };
        self.single(Kind::Gauge, "metadata_age_seconds", "How old the newest metadata is.", age.as_secs_f64())
    }

    fn histograms(&mut self, metrics: &Metrics) -> fmt::Result {
        let Metrics { batch_size_bytes, records_per_request, record_queue_time_us, .. } = metrics;
        let help = "Bytes of each batch that was sent.";
        self.histogram("batch_size_bytes", help, &SIZES, batch_size_bytes)?;
        let help = "Records of each Produce request that was sent.";
        self.histogram("records_per_request", help, &NUMBERS, records_per_request)?;
        let help = "Time from the acceptance of a batch's first record until it is sent for the first time.";
        self.histogram("record_queue_time_seconds", help, &TIMES, record_queue_time_us)?;
        let help = "Time from the begin of a Produce request until its answer.";
        self.histogram("request_latency_seconds", help, &TIMES, &metrics.request_latency_us)?;
        let help = "Time for which a broker holds the client back, as each answer to Produce tells.";
        self.histogram("produce_throttle_time_seconds", help, &TIMES, &metrics.produce_throttle_time_us)
    }

    fn topics(&mut self, topics: &[TopicMetrics]) -> fmt::Result {
        for (name, help, of) in RecordCounters::FAMILIES.iter().filter(|_| !topics.is_empty()) {
            let name = Name("topic_", name);
            self.head(Kind::Counter, name, help)?;
            for topic in topics {
                self.sample(name, "", &[("topic", &topic.topic)], of(&topic.records))?;
            }
        }
        Ok(())
    }

    fn nodes(&mut self, nodes: &[NodeMetrics]) -> fmt::Result {
        for (name, help, of) in RequestCounters::FAMILIES {
            self.of_nodes(Kind::Counter, name, help, nodes, |node| of(&node.requests))?;
        }
        let help = "Requests that have no answer yet.";
        self.of_nodes(Kind::Gauge, "requests_in_flight", help, nodes, |node| node.requests_in_flight)?;
        let help = "1 while there is an open connection.";
        self.of_nodes(Kind::Gauge, "connected", help, nodes, |node| node.is_connected.into())?;
        if nodes.is_empty() {
            return Ok(());
        }
        let name = Name("node_", "request_latency_seconds");
        self.head(Kind::Summary, name, "Time from the begin of a Produce request until its answer.")?;
        for node in nodes {
            let label = [("node_id", &node.node_id as &dyn Display)];
            self.sample(name, "_sum", &label, Unit::Micros.of(node.request_latency_us_total))?;
            self.sample(name, "_count", &label, node.request_latency_count)?;
        }
        Ok(())
    }

    fn of_nodes(
        &mut self,
        kind: Kind,
        name: &'static str,
        help: &str,
        nodes: &[NodeMetrics],
        of: impl Fn(&NodeMetrics) -> u64,
    ) -> fmt::Result {
        if nodes.is_empty() {
            return Ok(());
        }
        let name = Name("node_", name);
        self.head(kind, name, help)?;
        nodes.iter().try_for_each(|node| self.sample(name, "", &[("node_id", &node.node_id)], of(node)))
    }

    fn spool(&mut self, spool: &SpoolMetrics) -> fmt::Result {
        let SpoolMetrics { bytes, records, record_dropped_total, record_expired_total, batch_damaged_total } =
            *spool;
        let counter = Kind::Counter;
        self.single(Kind::Gauge, "spool_bytes", "Bytes of the spool that hold what is not done.", bytes)?;
        self.single(Kind::Gauge, "spool_records", "Records in the spool that are not done.", records)?;
        let help = "Records that the spool has dropped to make room.";
        self.single(counter, "spool_record_dropped_total", help, record_dropped_total)?;
        let help = "Records that the spool has dropped for their age.";
        self.single(counter, "spool_record_expired_total", help, record_expired_total)?;
        let help = "Batches of the spool that were damaged on its medium.";
        self.single(counter, "spool_batch_damaged_total", help, batch_damaged_total)
    }

    /// A family of one sample.
    fn single(&mut self, kind: Kind, name: &'static str, help: &str, value: impl Display) -> fmt::Result {
        let name = Name("", name);
        self.head(kind, name, help)?;
        self.sample(name, "", &[], value)
    }

    fn histogram(
        &mut self,
        name: &'static str,
        help: &str,
        scale: &Scale,
        histogram: &Histogram,
    ) -> fmt::Result {
        let name = Name("", name);
        self.head(Kind::Histogram, name, help)?;
        for power in scale.powers.clone() {
            let bound = scale.unit.of(1 << power);
            self.sample(name, "_bucket", &[("le", &bound)], histogram.up_to_power(power))?;
        }
        self.sample(name, "_bucket", &[("le", &"+Inf")], histogram.count())?;
        self.sample(name, "_sum", &[], scale.unit.of(histogram.sum()))?;
        self.sample(name, "_count", &[], histogram.count())
    }

    fn head(&mut self, kind: Kind, name: Name, help: &str) -> fmt::Result {
        let kind = match kind {
            Kind::Counter => "counter",
            Kind::Gauge => "gauge",
            Kind::Histogram => "histogram",
            Kind::Summary => "summary",
        };
        writeln!(self.f, "# HELP {name} {}\n# TYPE {name} {kind}", help.trim())
    }

    fn sample(
        &mut self,
        name: Name,
        part: &str,
        labels: &[(&str, &dyn Display)],
        value: impl Display,
    ) -> fmt::Result {
        write!(self.f, "{name}{part}{{client_id=\"")?;
        write!(Escaped(self.f), "{}", self.client_id)?;
        for (label, text) in labels {
            write!(self.f, "\",{label}=\"")?;
            write!(Escaped(self.f), "{text}")?;
        }
        writeln!(self.f, "\"}} {value}")
    }
}

impl Unit {
    fn of(self, value: u64) -> f64 {
        match self {
            Self::One => value as f64,
            Self::Micros => Duration::from_micros(value).as_secs_f64(),
        }
    }
}

/// A family's name: whose it is, and what.
#[derive(Clone, Copy)]
struct Name(&'static str, &'static str);

impl Display for Name {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "felice_{}{}", self.0, self.1)
    }
}

/// Writes what stands between a label's quotes.
struct Escaped<'f, 'g>(&'f mut Formatter<'g>);

impl Write for Escaped<'_, '_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let mut rest = text;
        while let Some(at) = rest.find(['\\', '"', '\n']) {
            let (plain, special) = rest.split_at(at);
            self.0.write_str(plain)?;
            self.0.write_str(match special.as_bytes().first() {
                Some(b'\\') => "\\\\",
                Some(b'"') => "\\\"",
                _ => "\\n",
            })?;
            rest = &special[1..];
        }
        self.0.write_str(rest)
    }
}
