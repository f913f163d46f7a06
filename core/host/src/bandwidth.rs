//! `bandwidth.max.bytes.per.sec`: a token bucket over everything that a producer's sockets carry, both directions and all
//! brokers together, TLS and proxies included; of TCP's and IP's own headers nothing is known here.
//!
//! What is written waits for tokens. What is read is there already and waits for nothing, but is paid for: less is written
//! then. It reads no clock and sets no timer: the driver says what time it is, and asks when to come back.

use std::io::{self, IoSlice};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use felice_core::id::ConnectionId;
use felice_core::time::Instant;

use crate::lock::lock;
use crate::socket_options::SocketOptions;
use crate::transport::{SLICES_MAX, Socket};

const MICROS: i64 = 1_000_000;

/// A bucket that all sockets of a producer draw from.
pub(crate) struct Bandwidth(Mutex<Bucket>);

/// Bytes are counted in millionths, so that no rounding adds up.
struct Bucket {
    /// Bytes per second, which is millionths per microsecond.
    rate: i64,
    full: i64,
    left: i64,
    filled: Instant,
    /// Somebody has asked for more than there was, and is to be told when there is enough.
    awaited: bool,
}

impl Bandwidth {
    /// In no second more than `bytes` are written: a sixteenth at once, and then seven eighths in a second, since on the way
    /// bytes gather.
    pub(crate) fn new(bytes: u32) -> Self {
        let full = i64::from(bytes) * MICROS / 16;
        let rate = i64::from(bytes) * 7 / 8;
        Self(Mutex::new(Bucket { rate, full, left: full, filled: Instant::ZERO, awaited: false }))
    }

    /// Time has passed. Whether those who wait are to try again: there is half of a bucket, so that it is worth it.
    pub(crate) fn fill(&self, now: Instant) -> bool {
        let mut bucket = lock(&self.0);
        let passed = i64::try_from(now.since(bucket.filled).as_micros()).unwrap_or(i64::MAX);
        bucket.left = bucket.left.saturating_add(passed.saturating_mul(bucket.rate)).min(bucket.full);
        bucket.filled = now;
        let enough = bucket.awaited && bucket.left >= bucket.full / 2;
        bucket.awaited &= !enough;
        enough
    }

    /// When [`fill`](Self::fill) will say yes; none while nobody waits.
    pub(crate) fn poll_timeout(&self) -> Option<Instant> {
        let bucket = lock(&self.0);
        let lacks = bucket.full / 2 - bucket.left;
        let micros = u64::try_from(lacks).unwrap_or(0).div_ceil(bucket.rate.unsigned_abs());
        bucket.awaited.then(|| bucket.filled + Duration::from_micros(micros))
    }

    /// As many bytes as there are, none of which is taken yet.
    fn offer(&self) -> usize {
        let mut bucket = lock(&self.0);
        let bytes = usize::try_from(bucket.left / MICROS).unwrap_or(0);
        bucket.awaited |= bytes == 0;
        bytes
    }

    /// So many bytes have gone or come. Never more than a second's worth is owed.
    fn pay(&self, bytes: usize) {
        let mut bucket = lock(&self.0);
        let paid = i64::try_from(bytes).unwrap_or(i64::MAX).saturating_mul(MICROS);
        bucket.left = bucket.left.saturating_sub(paid).max(-bucket.rate.saturating_mul(MICROS));
    }
}

/// A socket whose bytes are paid for, where that was asked for.
pub(crate) struct Metered<S> {
    socket: S,
    bandwidth: Option<Arc<Bandwidth>>,
}

/// What such sockets are opened with.
pub(crate) struct MeteredReactor<R> {
    pub(crate) reactor: R,
    pub(crate) bandwidth: Option<Arc<Bandwidth>>,
}

impl<S: Socket> Socket for Metered<S> {
    type Reactor = MeteredReactor<S::Reactor>;

    fn connect(
        reactor: &Self::Reactor,
        id: ConnectionId,
        address: SocketAddr,
        options: &SocketOptions,
    ) -> io::Result<Self> {
        let socket = S::connect(&reactor.reactor, id, address, options)?;
        Ok(Self { socket, bandwidth: reactor.bandwidth.clone() })
    }

    fn poll_connected(&mut self) -> io::Result<bool> {
        self.socket.poll_connected()
    }

    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.socket.read(buffer)?;
        if let Some(bandwidth) = &self.bandwidth {
            bandwidth.pay(count);
        }
        Ok(count)
    }

    fn await_more(&mut self) -> io::Result<()> {
        self.socket.await_more()
    }

    /// Where there are no tokens it takes nothing, and the driver tries again when there are.
    fn write(&mut self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        let Some(bandwidth) = &self.bandwidth else { return self.socket.write(slices) };
        let mut offered = bandwidth.offer();
        if offered == 0 {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        let mut paid = [IoSlice::new(&[]); SLICES_MAX];
        let mut count = 0;
        for (place, slice) in paid.iter_mut().zip(slices) {
            let taken = &slice[..slice.len().min(offered)];
            *place = IoSlice::new(taken);
            count += 1;
            offered -= taken.len();
            if offered == 0 {
                break;
            }
        }
        let written = self.socket.write(&paid[..count])?;
        bandwidth.pay(written);
        Ok(written)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(millis: u64) -> Instant {
        Instant::from_micros(millis * 1_000)
    }

    #[test]
    fn no_second_has_more_than_the_cap_and_none_much_less() {
        const CAP: u32 = 10_000;
        let bandwidth = Bandwidth::new(CAP);
        let mut written = Vec::new();
        // Uneven steps, as a driver's are.
        let mut now = 1_000;
        while now < 31_000 {
            now += 1 + now % 7;
            bandwidth.fill(at(now));
            let bytes = bandwidth.offer();
            bandwidth.pay(bytes);
            written.push((now, bytes));
        }
        for (begin, _) in &written {
            let second = written.iter().filter(|(when, _)| (*begin..begin + 1_000).contains(when));
            let bytes: usize = second.map(|(_, bytes)| bytes).sum();
            assert!(bytes <= CAP as usize, "{bytes} from {begin} ms on");
        }
        let all: usize = written.iter().map(|(_, bytes)| bytes).sum();
        assert!((255_000..=270_000).contains(&all), "seven eighths of {CAP} in 30 s: {all}");
    }

    #[test]
    fn who_waits_is_told_once_when_it_is_worth_it() {
        let bandwidth = Bandwidth::new(16_000);
        assert!(!bandwidth.fill(at(1_000)));
        bandwidth.pay(bandwidth.offer());
        assert_eq!(bandwidth.poll_timeout(), None, "nobody has asked for more");
        assert_eq!(bandwidth.offer(), 0);
        // Half of 1,000 bytes at 14,000 bytes a second.
        let due = bandwidth.poll_timeout().unwrap();
        assert_eq!(due.since(at(1_000)).as_millis(), 35);
        assert!(!bandwidth.fill(Instant::from_micros(due.as_micros() - 1)));
        assert!(bandwidth.fill(due));
        assert!(!bandwidth.fill(due) && bandwidth.poll_timeout().is_none());
        assert_eq!(bandwidth.offer(), 500);
    }

    #[test]
    fn what_is_read_is_paid_for_and_a_second_at_most_is_owed() {
        let bandwidth = Bandwidth::new(16_000);
        bandwidth.fill(at(1_000));
        bandwidth.pay(1 << 40);
        bandwidth.pay(usize::MAX);
        assert_eq!(bandwidth.offer(), 0);
        bandwidth.fill(at(1_999));
        assert_eq!(bandwidth.offer(), 0);
        bandwidth.fill(at(2_036));
        assert_eq!(bandwidth.offer(), 504);
    }
}
