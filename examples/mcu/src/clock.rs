//! The device's clock since it was started, from SysTick: a millisecond is an interrupt, and each wakes the processor.

use core::sync::atomic::{AtomicU32, Ordering};
use core::time::Duration;

use cortex_m::peripheral::SYST;
use cortex_m::peripheral::syst::SystClkSource;
use cortex_m_rt::exception;

/// The frequency of the processor after a reset.
const HERTZ: u32 = 12_500_000;

static MILLISECONDS: AtomicU32 = AtomicU32::new(0);

#[exception]
fn SysTick() {
    MILLISECONDS.store(MILLISECONDS.load(Ordering::Relaxed).wrapping_add(1), Ordering::Relaxed);
}

/// Never goes back, and does not wrap: 32 bits of milliseconds are 50 days, and the rest is counted here.
pub struct Clock {
    last: u32,
    since_start: u64,
}

impl Clock {
    /// Starts the ticks.
    pub fn start(mut systick: SYST) -> Self {
        systick.set_clock_source(SystClkSource::Core);
        systick.set_reload(HERTZ / 1000 - 1);
        systick.clear_current();
        systick.enable_counter();
        systick.enable_interrupt();
        Self { last: 0, since_start: 0 }
    }

    /// Milliseconds since the start. To be asked at least every 49 days.
    fn milliseconds(&mut self) -> u64 {
        let now = MILLISECONDS.load(Ordering::Relaxed);
        self.since_start += u64::from(now.wrapping_sub(self.last));
        self.last = now;
        self.since_start
    }

    /// The time, as felice takes it.
    pub fn now(&mut self) -> felice_core::time::Instant {
        felice_core::time::Instant::ZERO + Duration::from_millis(self.milliseconds())
    }

    /// The time, as smoltcp takes it.
    pub fn network(&mut self) -> smoltcp::time::Instant {
        smoltcp::time::Instant::from_millis(self.milliseconds().cast_signed())
    }
}
