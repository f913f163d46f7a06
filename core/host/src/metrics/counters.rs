//! Counters that only grow. Each is said once: its name here is its field, its name in Prometheus' text, and its place there.

use super::live::Count;

/// Counters that are kept together, as they are counted and as they are read.
macro_rules! counters {
    (
        $(#[$about:meta])*
        $read:ident, $live:ident { $($(#[doc = $help:literal])+ $field:ident,)+ }
    ) => {
        $(#[$about])*
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
        #[non_exhaustive]
        pub struct $read {
            $($(#[doc = $help])+ pub $field: u64,)+
        }

        /// The same, as they are counted.
        #[derive(Default)]
        pub(crate) struct $live {
            $(pub(super) $field: Count,)+
        }

        impl $read {
            /// The name of each, what it is, and where.
            pub(super) const FAMILIES: &[(&'static str, &'static str, fn(&Self) -> u64)] =
                &[$((stringify!($field), concat!($($help),+), |counters| counters.$field),)+];

            pub(super) const fn since(self, earlier: Self) -> Self {
                Self { $($field: self.$field.saturating_sub(earlier.$field),)+ }
            }
        }

        impl $live {
            pub(super) fn read(&self) -> $read {
                $read { $($field: self.$field.get(),)+ }
            }
        }
    };
}

counters! {
    /// Records, of a topic or of all of them.
    RecordCounters, LiveRecords {
        /// Records that were sent to a broker, once for each time that they were.
        record_send_total,
        /// Records that were sent again.
        record_retry_total,
        /// Records that a broker has acknowledged, or with acks=0 that have left.
        record_acknowledged_total,
        /// Records that were accepted and failed.
        record_error_total,
        /// Bytes of batches that were sent, once for each time that they were.
        byte_total,
        /// Bytes of batches before they were compressed, sent for the first time.
        uncompressed_byte_total,
        /// Bytes of batches after they were compressed, sent for the first time.
        compressed_byte_total,
    }
}

counters! {
    /// Requests and connections, of a broker or of all of them. Bytes are those of Kafka's protocol: TLS adds its own.
    RequestCounters, LiveRequests {
        /// Requests of any kind that were sent.
        request_total,
        /// Answers to requests.
        response_total,
        /// Bytes that were sent.
        outgoing_byte_total,
        /// Bytes that were received.
        incoming_byte_total,
        /// Connections that were opened.
        connection_creation_total,
        /// Connections that were open and were closed, by either side.
        connection_close_total,
    }
}

impl LiveRequests {
    /// Begins anew.
    pub(super) fn reset(&self) {
        let Self {
            request_total,
            response_total,
            outgoing_byte_total,
            incoming_byte_total,
            connection_creation_total,
            connection_close_total,
        } = self;
        let requests = [request_total, response_total, outgoing_byte_total, incoming_byte_total];
        let connections = [connection_creation_total, connection_close_total];
        requests.into_iter().chain(connections).for_each(|count| count.set(0));
    }
}

impl RecordCounters {
    /// Kafka's `compression-rate-avg`: how long batches are that were compressed, as a part of how long they were before.
    /// 1 where none was sent. Kafka's is the mean over batches, and this is weighted by their bytes.
    #[must_use]
    pub fn compression_rate_avg(&self) -> f64 {
        if self.uncompressed_byte_total == 0 {
            return 1.0;
        }
        self.compressed_byte_total as f64 / self.uncompressed_byte_total as f64
    }
}
