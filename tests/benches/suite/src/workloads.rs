//! What is measured.

/// One kind of load, for all who can do it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Workload {
    pub(crate) name: &'static str,
    pub(crate) title: &'static str,
    pub(crate) mode: &'static str,
    pub(crate) size: usize,
    pub(crate) records: u64,
    pub(crate) partitions: i32,
    pub(crate) keys: bool,
    pub(crate) threads: u64,
    pub(crate) linger_ms: u64,
    pub(crate) batch_bytes: usize,
    pub(crate) buffer_bytes: usize,
    /// `compression.type`.
    pub(crate) compression: &'static str,
    /// felice only: what is compared is felice with itself.
    pub(crate) own: bool,
}

const BASE: Workload = Workload {
    name: "",
    title: "",
    mode: "forget",
    size: 100,
    records: 3_000_000,
    partitions: 6,
    keys: false,
    threads: 1,
    linger_ms: 5,
    batch_bytes: 128 * 1024,
    buffer_bytes: 32 * 1024 * 1024,
    compression: "none",
    own: false,
};

/// Four threads fill what one compresses.
pub(crate) const APPEND_ZSTD: Workload =
    Workload { name: "append-zstd", threads: 4, compression: "zstd", own: true, ..BASE };

/// Small batches of many partitions, or of few.
const SPREAD: Workload = Workload {
    keys: true,
    records: 1_000_000,
    batch_bytes: 2 * 1024,
    linger_ms: 1_000,
    buffer_bytes: 64 * 1024 * 1024,
    own: true,
    ..BASE
};

pub(crate) const WORKLOADS: [Workload; 16] = [
    Workload { name: "small", title: "100 B, fire and forget", ..BASE },
    Workload { name: "large", title: "1 KiB, fire and forget", size: 1_024, records: 500_000, ..BASE },
    Workload {
        name: "lz4",
        title: "1 KiB, fire and forget, lz4",
        compression: "lz4",
        size: 1_024,
        records: 500_000,
        ..BASE
    },
    Workload {
        name: "zstd",
        title: "1 KiB, fire and forget, zstd",
        compression: "zstd",
        size: 1_024,
        records: 500_000,
        ..BASE
    },
    Workload {
        name: "handle",
        title: "100 B, each handle waited for later",
        mode: "handle",
        own: true,
        ..BASE
    },
    Workload {
        name: "callback",
        title: "100 B, a callback each",
        mode: "callback",
        records: 2_000_000,
        ..BASE
    },
    Workload { name: "future", title: "100 B, a future each", mode: "future", records: 2_000_000, ..BASE },
    Workload {
        name: "sync",
        title: "100 B, one at a time",
        mode: "sync",
        records: 5_000,
        linger_ms: 0,
        ..BASE
    },
    Workload { name: "threads-4", title: "100 B, 4 threads", threads: 4, own: true, ..BASE },
    Workload { name: "threads-16", title: "100 B, 16 threads", threads: 16, own: true, ..BASE },
    Workload {
        name: "keys-6",
        title: "100 B, random keys over 6 partitions",
        keys: true,
        records: 2_000_000,
        ..BASE
    },
    Workload {
        name: "keys-120",
        title: "100 B, random keys over 120 partitions",
        keys: true,
        partitions: 120,
        records: 2_000_000,
        batch_bytes: 64 * 1024,
        ..BASE
    },
    Workload {
        name: "spread-6",
        title: "100 B, random keys over 6 partitions, batches of 2 KiB",
        partitions: 6,
        ..SPREAD
    },
    Workload {
        name: "spread-9900",
        title: "100 B, random keys over 9,900 partitions, batches of 2 KiB",
        // Kafka creates no more than 10,000 in one step.
        partitions: 9_900,
        ..SPREAD
    },
    Workload {
        name: "small-4MiB",
        title: "100 B, fire and forget, with 4 MiB",
        buffer_bytes: 4 * 1024 * 1024,
        own: true,
        ..BASE
    },
    Workload {
        name: "rate",
        title: "100 records a second for a minute",
        mode: "rate",
        records: 6_000,
        ..BASE
    },
];

impl Workload {
    /// As options of a contender.
    pub(crate) fn options(&self, records: u64) -> Vec<String> {
        let options: [(&str, String); 10] = [
            ("--mode", self.mode.into()),
            ("--size", self.size.to_string()),
            ("--records", records.to_string()),
            ("--partitions", self.partitions.to_string()),
            ("--keys", self.keys.to_string()),
            ("--threads", self.threads.to_string()),
            ("--linger-ms", self.linger_ms.to_string()),
            ("--batch-bytes", self.batch_bytes.to_string()),
            ("--buffer-bytes", self.buffer_bytes.to_string()),
            ("--compression", self.compression.into()),
        ];
        options.into_iter().flat_map(|(name, value)| [name.to_owned(), value]).collect()
    }

    /// The settings that every row of a table shares.
    pub(crate) fn settings(&self) -> String {
        format!(
            "{} records to {} partitions, {}; `compression.type` {}, `batch.size` {} KiB, `linger.ms` {}, `buffer.memory` {} MiB",
            grouped(self.records),
            grouped(self.partitions.unsigned_abs().into()),
            if self.keys { "random keys of 8 bytes" } else { "no keys" },
            self.compression,
            self.batch_bytes / 1_024,
            self.linger_ms,
            self.buffer_bytes / 1_024 / 1_024,
        )
    }
}

/// A number with commas between its thousands.
pub(crate) fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut grouped = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    grouped
}
