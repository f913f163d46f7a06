//! Ports that stay one's own, also while the broker that listens on them is down.
//!
//! Port 0 would do for a listener that lives as long as its test. A broker that restarts needs its old port, while
//! other tests open sockets. So these ports lie below the range from which systems take ports by themselves (32768 and
//! up on Linux), and a file lock, which ends with the process, keeps other test processes away.

use std::fs::{self, File, TryLockError};
use std::net::{Ipv4Addr, TcpListener};
use std::ops::Range;
use std::sync::atomic::{AtomicU16, Ordering};

const RANGE: Range<u16> = 20_000..32_000;

/// A loopback port that no other test process takes while this value lives.
#[derive(Debug)]
pub(crate) struct Port {
    pub(crate) number: u16,
    _lock: File,
}

impl Port {
    /// The next free port.
    pub(crate) fn reserve() -> Self {
        static NEXT: AtomicU16 = AtomicU16::new(0);
        let folder = std::env::temp_dir().join("felice-ports");
        fs::create_dir_all(&folder).expect("the temporary folder can be written");
        let count = RANGE.len() as u32;
        // Processes start apart from each other; which ones does not matter.
        let start = std::process::id().wrapping_mul(7919) % count;
        for _ in 0..count {
            let step = u32::from(NEXT.fetch_add(1, Ordering::Relaxed));
            let number = RANGE.start + ((start + step) % count) as u16;
            let lock =
                File::create(folder.join(number.to_string())).expect("the temporary folder can be written");
            match lock.try_lock() {
                Ok(()) if TcpListener::bind((Ipv4Addr::LOCALHOST, number)).is_ok() => {
                    return Self { number, _lock: lock };
                }
                Ok(()) | Err(TryLockError::WouldBlock) => {}
                Err(TryLockError::Error(error)) => {
                    panic!("cannot lock a file in {}: {error}", folder.display())
                }
            }
        }
        panic!("no free port in {RANGE:?}")
    }
}
